"""Ends what must not outlive the program that has started it."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable
from typing import Protocol

from headrace_wire.system.forking import call_after_fork


class Session(Protocol):
    """An object with processes or calls that must not outlive the program."""

    def end_with_program(self) -> None:
        """End it, because the program ends and nobody has closed it."""
        ...


_open: weakref.WeakSet[Session] = weakref.WeakSet()


def end_with_program(session: Session, close: Callable[[], None]) -> None:
    """End a session at the program's end, and call ``close`` when it is garbage-collected.

    ``close`` must not refer to the session itself, because that would keep it alive. In a process
    that was forked from this one, neither is done.
    """
    if not _open:
        atexit.unregister(_end_all)
        atexit.register(_end_all)
    _open.add(session)
    weakref.finalize(session, _close_if_here, os.getpid(), close).atexit = False


def _end_all() -> None:
    for session in list(_open):
        session.end_with_program()


def _close_if_here(process: int, close: Callable[[], None]) -> None:
    if os.getpid() == process:
        close()


def _forget_all() -> None:
    """In a forked process: forget the sessions, which belong to the parent."""
    _open.clear()


call_after_fork(_forget_all)
