"""Keeping a process within a part of the memory."""

from __future__ import annotations

import sys

from headrace_wire import rlimits

#: Whether the system refuses memory to a process. macOS takes a limit, and does not heed it.
LIMITS_MEMORY = sys.platform == "linux" and rlimits.LIMITS is not None


def limit_memory(limit_bytes: int) -> None:
    """Let this process have no more than so much writable memory of its own, for good.

    What it asks for beyond that is refused, which is a MemoryError. It is not its address space
    that is limited: libraries and files that are mapped, and what is only reserved, are free.
    Nothing happens where the system cannot do that.
    """
    if LIMITS_MEMORY:
        rlimits.lower("RLIMIT_DATA", limit_bytes)
