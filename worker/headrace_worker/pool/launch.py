"""How the processes of slots are started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from contextlib import contextmanager
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from headrace_wire.errors import UsageError
from headrace_worker.pool.slot import ONE_THREAD_EACH

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from multiprocessing.process import BaseProcess

#: What may be asked for; the first is the default.
START_METHODS = ("forkserver", "spawn", "fork")


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
        self._context = multiprocessing.get_context(start_method)
        if self.preload:
            self._context.set_forkserver_preload(list(self.preload))

    def start(
        self, target: Callable[..., object], args: tuple[object, ...], name: str
    ) -> BaseProcess:
        """Start a process; raises OSError where the system refuses one more."""
        if self.start_method == "fork":
            _refuse_threads()
        # Typed as the union of all platforms' contexts, of which some have no processes.
        context: Any = self._context
        process: BaseProcess = context.Process(target=target, args=args, name=name, daemon=True)
        with _hide_main(), _hold_interrupts():
            if self.start_method == "forkserver":
                with _hold_to_one_thread():
                    forkserver.ensure_running()
            process.start()
        return process


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


@contextmanager
def _hold_to_one_thread() -> Generator[None]:
    # What the fork server preloads may read these when it is imported, before any slot can set
    # them; the caller's own environment is left as it was.
    missing = [name for name in ONE_THREAD_EACH if name not in os.environ]
    os.environ.update({name: ONE_THREAD_EACH[name] for name in missing})
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]
