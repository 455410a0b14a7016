"""How the processes of slots are started."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import types
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from headrace_wire.errors import UsageError
from headrace_worker.pool.forkserver import REPORT, Hello, Order, write_program
from headrace_worker.pool.slot import ONE_THREAD_EACH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from multiprocessing.process import BaseProcess

    from headrace_worker.pool.cell import Cell
    from headrace_worker.pool.slot import SlotSettings

    #: The main function of a slot.
    Target = Callable[[socket.socket, Cell, SlotSettings], object]

#: What may be asked for; the first is the default.
START_METHODS = ("forkserver", "spawn", "fork")


class Child(Protocol):
    """A slot's process, in the words of multiprocessing."""

    @property
    def pid(self) -> int | None: ...

    @property
    def exitcode(self) -> int | None:
        """How it ended, negative for a signal. None while it runs, and where nobody knows."""
        ...

    def join(self, timeout: float | None = None) -> None: ...

    def kill(self) -> None: ...

    def close(self) -> None: ...


class Launcher:
    """Starts child processes by one start method. Not thread safe.

    Children do not import the caller's ``__main__``: a slot needs nothing of it, and a script
    without the usual guard would start a pool of its own in each. ``preload`` are modules that the
    fork server imports once for all slots; they help nothing with the other methods.
    """

    def __init__(self, start_method: str, preload: Sequence[str] = ()) -> None:
        if start_method not in START_METHODS:
            raise UsageError(
                f"the start method is {start_method!r}: choose one of {', '.join(START_METHODS)}"
            )
        self.start_method = start_method
        self.preload = tuple(preload) if start_method == "forkserver" else ()
        self._fork_server = ForkServer(self.preload) if start_method == "forkserver" else None

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> Child:
        """Start a process; raises OSError where the system refuses one more."""
        if self._fork_server:
            return self._fork_server.start(link, cell, Order(target, settings, name))
        if self.start_method == "fork":
            _refuse_threads()
        # Typed as the union of all platforms' contexts, of which some have no processes.
        context: Any = multiprocessing.get_context(self.start_method)
        args = (link, cell, settings)
        process: BaseProcess = context.Process(target=target, args=args, name=name, daemon=True)
        with _hide_main(), _hold_interrupts():
            process.start()
        return process

    def close(self) -> None:
        """End what helped to start processes. Slots that run go on until their end."""
        if self._fork_server:
            self._fork_server.close()


class ForkServer:
    """The fork server as its launcher sees it: started when first needed, and when it has died."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = tuple(preload)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        # Slots live as long as the other end is open, which is never given to anybody; they may
        # well live longer than the server that forked them.
        self._lifeline, self._life = os.pipe()

    def ensure_running(self) -> socket.socket:
        """Start the server unless it runs; its imports go on after the return."""
        if self._control and self._process and self._process.poll() is None:
            return self._control
        if self._control:
            self._control.close()
            self._control = None
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, _hold_interrupts():
                fds = (theirs.fileno(), self._lifeline)
                self._process = subprocess.Popen(  # noqa: S603 - our own command line
                    [sys.executable, *_list_flags(), "-c", write_program(sys.path, *fds)],
                    stdin=subprocess.DEVNULL,
                    env=ONE_THREAD_EACH | os.environ,
                    pass_fds=fds,
                )
            control.send(pickle.dumps(Hello(self._preload, sys.argv, os.getpid())))
        except BaseException:
            control.close()
            raise
        self._control = control
        return control

    def start(self, link: socket.socket, cell: Cell, order: Order) -> ForkedSlot:
        """Fork a slot. Raises OSError where that is refused, or the server has died."""
        control = self.ensure_running()
        report, theirs = os.pipe()
        try:
            try:
                message = pickle.dumps(order)
                socket.send_fds(control, [message], [link.fileno(), cell.fd, theirs])
            finally:
                os.close(theirs)
            return ForkedSlot(report)
        except BaseException:
            os.close(report)
            raise

    def close(self) -> None:
        """End the server at once, and with it all slots."""
        if self._process:
            self._process.kill()
            self._process.wait()
        if self._control:
            self._control.close()
            self._control = None
        if self._life >= 0:
            os.close(self._lifeline)
            os.close(self._life)
            self._life = -1


class ForkedSlot:
    """A slot that the fork server forked. Raises OSError where it could not."""

    def __init__(self, report: int) -> None:
        word = _read_word(report)
        if word is None:
            raise OSError(errno.ECHILD, "the fork server died")
        if word < 0:
            raise OSError(-word, os.strerror(-word))
        self._pid = word
        self._exitcode: int | None = None
        self._report = report

    @property
    def pid(self) -> int | None:
        return self._pid

    @property
    def exitcode(self) -> int | None:
        """How it ended; None while it runs, and where the fork server died before it."""
        self.join(0.0)
        return self._exitcode

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, or that of the fork server, which alone would know of it."""
        if self._report < 0:
            return
        poll = select.poll()
        poll.register(self._report, select.POLLIN)
        if poll.poll(None if timeout is None else timeout * 1000):
            self._exitcode = _read_word(self._report)
            self.close()

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def close(self) -> None:
        if self._report >= 0:
            os.close(self._report)
            self._report = -1


def _read_word(report: int) -> int | None:
    packed = os.read(report, REPORT.size)
    if not packed:
        return None
    (word,) = REPORT.unpack(packed)
    return int(word)


def _list_flags() -> list[str]:
    # What multiprocessing itself uses: there is no public way to pass -X, -W and -B on.
    own: Any = subprocess
    flags: list[str] = own._args_from_interpreter_flags()  # noqa: SLF001 - see above
    return flags


def _refuse_threads() -> None:
    # Threads of Python's own. Those of native libraries hold no lock of ours, and look after
    # theirs; one that ever called into Python, to log a warning, is listed as a dummy for good.
    dummy: type = threading._DummyThread  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # no public name
    threads = sum(not isinstance(thread, dummy) for thread in threading.enumerate())
    if threads > 1:
        raise UsageError(
            f"the start method is 'fork' and this process has {threads} threads: a lock that "
            "one of them holds would stay locked in the child for ever; use 'forkserver' or 'spawn'"
        )


@contextmanager
def _hide_main() -> Generator[None]:
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _hold_interrupts() -> Generator[None]:
    # A child inherits the mask: a Ctrl-C cannot reach it before it has learned to ignore it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
