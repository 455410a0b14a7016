"""How much memory this process may use, and what part of it messages on their way may take."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from headrace_wire import cgroup
from headrace_wire.portable import PORTABLE
from headrace_wire.rlimits import LIMITS

#: The part of all memory that messages of one direction may take, and the most and the least of it.
#: With the least, one large message after the other still passes.
FLIGHT_PART = 4
MOST_FLIGHT_BYTES = 512 << 20
LEAST_FLIGHT_BYTES = 64 << 20


def count_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that this process and its children may have: the machine's, or less
    where a control group says so.
    """
    limits = [_count_machine()]
    for version, folder in cgroup.find_folders("memory", root):
        file = folder / ("memory.limit_in_bytes" if version == 1 else "memory.max")
        with contextlib.suppress(OSError, ValueError):  # it is not there, or "max"
            limits.append(int(file.read_text()))
    return min(limits)


def find_memory_limit(root: Path = Path("/")) -> int:
    """The bytes that a control group allows this process and its children; 0 for no limit."""
    limit = count_memory(root)
    return 0 if limit >= _count_machine() else limit


def count_own_memory(root: Path = Path("/")) -> int:
    """The bytes that this process may have by itself: less where ``ulimit`` says so."""
    if LIMITS is None:
        return count_memory(root)
    # What ``ulimit -v`` and ``ulimit -d`` set.
    limits = map(LIMITS.getrlimit, (LIMITS.RLIMIT_AS, LIMITS.RLIMIT_DATA))
    set_here: list[int] = [soft for soft, _ in limits if soft != LIMITS.RLIM_INFINITY]
    return min([count_memory(root), *set_here])


def _count_machine() -> int:
    if hasattr(os, "sysconf") and not PORTABLE:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    import psutil  # noqa: PLC0415 - it takes longer

    return int(psutil.virtual_memory().total)


def choose_flight_bytes(memory_bytes: int) -> int:
    """The bytes that messages of one direction may take of so much memory.

    A single message larger than that passes all the same, when it is the only one that moves.
    """
    return min(max(memory_bytes // FLIGHT_PART, LEAST_FLIGHT_BYTES), MOST_FLIGHT_BYTES)
