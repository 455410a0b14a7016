"""How the processes of slots are started."""

from __future__ import annotations

import multiprocessing
import signal
import socket
import sys
import threading
import types
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from headrace_wire.errors import UsageError
from headrace_wire.landlock import close_folders
from headrace_wire.log_writer import LogThread
from headrace_worker.launch.exit_watch import Child, JoinWatch
from headrace_worker.launch.order import Target
from headrace_worker.link.cell import Cell
from headrace_worker.slot.slot import SlotSettings


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
        with hide_from_child(), hold_interrupts():
            process.start()
        return process

    def close(self) -> None:
        """End what helped to start processes. Slots that run go on until their end."""


def _begin_slot(target: Target, link: socket.socket, cell: Cell, settings: SlotSettings) -> None:
    if settings.closed_folders:
        close_folders(settings.closed_folders)
    target(link, cell, settings)


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
def hide_from_child() -> Generator[None]:
    """Keep the program out of a child's way."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def hold_interrupts() -> Generator[None]:
    """Keep Ctrl-C, and the end of a terminal, from a child that is started in here.

    It inherits the mask: neither can reach it before it has learned to ignore it. On Windows, which
    has no masks, a child that is just starting may end by Ctrl-C.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
