"""Limits the memory of a process."""

from __future__ import annotations

import sys

from headrace_wire.system import rlimits

#: Whether the system enforces a limit on memory. macOS accepts a limit, but does not enforce it.
LIMITS_MEMORY = sys.platform == "linux" and rlimits.LIMITS is not None


def limit_memory(limit_bytes: int) -> None:
    """Limit this process to so much writable private memory, permanently.

    If it requests more, it gets a MemoryError. The limit is not on the address space: libraries,
    mapped files and reserved addresses do not count. This does nothing on systems without such a
    limit.
    """
    if LIMITS_MEMORY:
        rlimits.lower("RLIMIT_DATA", limit_bytes)
