"""How the processes of slots are started."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

import psutil

from headrace_wire.encoding import pack
from headrace_wire.errors import UsageError
from headrace_wire.landlock import close_folders
from headrace_wire.log_writer import LogThread
from headrace_worker.launch.exit_watch import Child, JoinWatch
from headrace_worker.launch.fork_server import serve, write_program
from headrace_worker.launch.forked_slot import ForkedSlot, Server, kill_server
from headrace_worker.launch.interpreter import start_interpreter
from headrace_worker.launch.order import Order, Target
from headrace_worker.launch.orphans import adopt_orphans
from headrace_worker.launch.spawned_slot import SpawnedSlot
from headrace_worker.link.cell import Cell
from headrace_worker.link.loader import DEFAULT_LOADER, import_beforehand
from headrace_worker.slot.slot import ONE_THREAD_EACH, SlotSettings

#: What may be asked for; the first is the default.
START_METHODS = ("forkserver", "spawn", "fork")


def make_launcher(start_method: str, preload: Iterable[str] = ()) -> Launcher:
    """Make a launcher of slots, which need these modules beside their own.

    The fork server imports them once for all slots; they help nothing with the other methods.
    """
    if start_method not in START_METHODS:
        raise UsageError(
            f"the start method is {start_method!r}: choose one of {', '.join(START_METHODS)}"
        )
    if start_method == "fork":
        return Launcher(start_method)
    if start_method == "spawn":
        return Spawner(start_method)
    loader = DEFAULT_LOADER.partition(":")[0]
    return ForkServer(("headrace_worker.slot.slot", "multiprocessing.util", loader, *preload))


class Launcher:
    """Starts slots by one start method, as forks of this process. Not thread safe.

    They know nothing of the caller's ``__main__``.
    """

    def __init__(self, start_method: str, preload: Sequence[str] = ()) -> None:
        self.start_method = start_method
        self.preload = tuple(preload)

    def prepare(self) -> None:
        """Start what helps to start slots, in a process that has no threads yet."""

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> Child:
        """Start a process; raises OSError where the system refuses one more."""
        _refuse_threads()
        # Typed as the union of all platforms' contexts, of which some have no processes.
        context: Any = multiprocessing.get_context("fork")
        args = (target, link, cell, settings)
        process: BaseProcess = context.Process(
            target=_begin_slot, args=args, name=name, daemon=True
        )
        with _hide_from_child(), _hold_interrupts():
            process.start()
        return process

    def close(self) -> None:
        """End what helped to start processes. Slots that run go on until their end."""


class Spawner(Launcher):
    """Starts each slot as an interpreter of its own."""

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> SpawnedSlot:
        """Start an interpreter; raises OSError where the system refuses one more."""
        with _hold_interrupts():
            return SpawnedSlot(Order.make(target, settings, name), link.fileno(), cell.fd)


class ForkServer(Launcher):
    """The fork server as its launcher sees it: started when first needed, and when it has died."""

    def __init__(self, preload: Sequence[str]) -> None:
        super().__init__("forkserver", preload)
        self._process: Server | None = None
        self._control: socket.socket | None = None
        # Slots live as long as the other end is open, which is never given to anybody; they may
        # well live longer than the server that forked them.
        self._lifeline, self._life = os.pipe()

    def prepare(self) -> None:
        """Start the server as a fork of this very process.

        It then shares with this process what is imported now, and slots can be forked from it at
        once. In a process that has threads nothing happens, and the server is another interpreter,
        as it is when it has to be started again.
        """
        if threading.active_count() == 1:
            import_beforehand(self.preload)
            gc.freeze()
            self._begin(self._fork)
        adopt_orphans()  # slots become children of this process when their fork server dies

    def _begin(self, start: Callable[[socket.socket, socket.socket], Server]) -> None:
        if self._control:
            self._control.close()
            self._control = None
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs, _hold_interrupts():
                self._process = start(control, theirs)
            control.send(pack([self.preload, sys.argv, os.getpid()]))
        except BaseException:
            control.close()
            raise
        self._control = control

    def _spawn(
        self, closed_folders: Collection[str], control: socket.socket, theirs: socket.socket
    ) -> Server:
        del control  # it is not inherited
        fds = (theirs.fileno(), self._lifeline)
        return start_interpreter(write_program(*fds), fds, closed_folders)

    def _fork(self, control: socket.socket, theirs: socket.socket) -> Server:
        number = os.fork()
        if not number:
            try:
                control.close()
                os.close(self._life)
                _become_server(theirs, self._lifeline)
            finally:
                os._exit(1)
        return psutil.Process(number)

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> ForkedSlot:
        """Fork a slot. Raises OSError where that is refused, or the server has died."""
        if not (self._control and self._process) or _has_ended(self._process):
            # Its imports go on after the return.
            self._begin(partial(self._spawn, settings.closed_folders))
        assert self._control, "it has just been started"
        assert self._process, "it has just been started"
        report, theirs = os.pipe()
        try:
            try:
                message = Order.make(target, settings, name).encode()
                socket.send_fds(self._control, [message], [link.fileno(), cell.fd, theirs])
            finally:
                os.close(theirs)
            return ForkedSlot(report, self._process)
        except BaseException:
            os.close(report)
            raise

    def close(self) -> None:
        """End the server at once, and with it all slots."""
        if self._process:
            kill_server(self._process)
            self._process.wait()
        if self._control:
            self._control.close()
            self._control = None
        if self._life >= 0:
            os.close(self._lifeline)
            os.close(self._life)
            self._life = -1


def _begin_slot(target: Target, link: socket.socket, cell: Cell, settings: SlotSettings) -> None:
    if settings.closed_folders:
        close_folders(settings.closed_folders)
    target(link, cell, settings)


def _become_server(control: socket.socket, lifeline: int) -> NoReturn:
    sys.modules["__main__"] = types.ModuleType("__main__")
    os.environ.update(ONE_THREAD_EACH | os.environ)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    serve(control.detach(), lifeline)


def _has_ended(server: Server) -> bool:
    try:
        server.wait(0)
    except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
        return False
    return True


def _refuse_threads() -> None:
    # Threads of Python's own. Those of native libraries hold no lock of ours, and look after
    # theirs; one that ever called into Python, to log a warning, is listed as a dummy for good.
    dummy: type = threading._DummyThread  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # no public name
    harmless = (dummy, JoinWatch, LogThread)
    threads = [thread for thread in threading.enumerate() if not isinstance(thread, harmless)]
    if len(threads) > 1:
        raise UsageError(
            f"the start method is 'fork' and this process has {len(threads)} threads "
            f"({', '.join(thread.name for thread in threads)}): a lock that one of them holds "
            "would stay locked in the child for ever; use 'forkserver' or 'spawn'"
        )


@contextmanager
def _hide_from_child() -> Generator[None]:
    """Keep the program out of a child's way."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _hold_interrupts() -> Generator[None]:
    # A child inherits the mask: neither can reach it before it has learned to ignore it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
