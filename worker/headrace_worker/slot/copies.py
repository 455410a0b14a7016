"""Copies of a slot, which tasks make when they fork.

    task ─ os.fork() ─► the slot: goes on
                    └─► its copy: never speaks for the slot, and ends instead of returning to it

If two processes read one socket, each would receive a part of what the pool sends, and both would
write to one cell. So a copy closes the socket as soon as it is made. What else it does is decided
by the task.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from headrace_wire.system.forking import call_after_fork
from headrace_worker.link.channel import SlotEnd
from headrace_worker.link.failure import explain


class Original:
    """Distinguishes the slot's own process from its copies."""

    def __init__(self, end: SlotEnd) -> None:
        self._end = end
        self.is_copy = False
        call_after_fork(self._become_copy)

    def _become_copy(self) -> None:
        self.is_copy = True
        self._end.close()


def end_copy(error: BaseException | None) -> NoReturn:
    """End a copy that has returned from its task, with or without an exception, as a program
    ends.
    """
    status = 0 if error is None else 1
    try:
        if isinstance(error, SystemExit):
            status = _read_status(error)
        elif error is not None:
            sys.stderr.write(explain(error).traceback)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)


def _read_status(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1
