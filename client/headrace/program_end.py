"""What must not outlive the program that has started it."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable
from typing import Protocol

from headrace_wire.forking import call_after_fork


class Session(Protocol):
    """What has processes or calls that must not outlive the program."""

    def end_with_program(self) -> None:
        """Do what is right when the program ends and nobody has closed this."""
        ...


_open: weakref.WeakSet[Session] = weakref.WeakSet()


def end_with_program(session: Session, close: Callable[[], None]) -> None:
    """Have a session ended at the program's end, and ``close`` called when it is let go.

    ``close`` refers to what the session has, not to the session: that would keep it. In a process
    that was forked from this one neither is done.
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
    """In a forked child: what is open is the parent's."""
    _open.clear()


call_after_fork(_forget_all)
