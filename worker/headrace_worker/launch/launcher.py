"""Starts the processes of slots."""

from __future__ import annotations

import multiprocessing
import signal
import socket
import sys
import threading
import types
from asyncio import AbstractEventLoop
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from headrace_wire.errors import UsageError
from headrace_wire.log_writer import LogThread
from headrace_wire.system.landlock import close_folders
from headrace_worker.launch.exit_watch import Child, JoinWatch
from headrace_worker.launch.order import Target
from headrace_worker.link.cell import Cell
from headrace_worker.slot.slot import SlotSettings


class Launcher:
    """Starts slots with one start method, as forks of this process. Not thread-safe.

    Slots know nothing of the caller's ``__main__``.
    """

    def __init__(self, start_method: str, preload: Sequence[str] = ()) -> None:
        self.start_method = start_method
        self.preload = tuple(preload)

    def prepare(self) -> None:
        """Start what is needed to start slots, in a process that has no threads yet."""

    def watch_with(self, loop: AbstractEventLoop | None) -> None:
        """Let this event loop watch what starts slots; None for no loop."""

    def start(
        self, target: Target, link: socket.socket, cell: Cell, settings: SlotSettings, name: str
    ) -> Child:
        """Start a process. Raises OSError if the system refuses."""
        _refuse_threads()
        # The type is a union of the contexts of all platforms, some of which have no processes.
        context: Any = multiprocessing.get_context("fork")
        args = (target, link, cell, settings)
        process: BaseProcess = context.Process(
            target=_begin_slot, args=args, name=name, daemon=True
        )
        with hide_from_child(), hold_interrupts():
            process.start()
        return process

    def close(self) -> None:
        """End what was needed to start processes. Running slots are not affected."""


def _begin_slot(target: Target, link: socket.socket, cell: Cell, settings: SlotSettings) -> None:
    if settings.closed_folders:
        close_folders(settings.closed_folders)
    target(link, cell, settings)


def _refuse_threads() -> None:
    # These are Python's own threads. Threads of native libraries hold no lock of ours, and
    # libraries take care of their own locks. If such a thread ever called into Python, for example
    # to log a warning, it is listed as a dummy thread for good.
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
    """Hide the program's ``__main__`` from a child."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def hold_interrupts() -> Generator[None]:
    """Block Ctrl-C, and the signal for the end of a terminal, in a child that is started meanwhile.

    A child inherits the signal mask, so neither signal can reach it before it ignores them. Windows
    has no signal masks; there, Ctrl-C may end a child that is just starting.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
