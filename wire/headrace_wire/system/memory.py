"""How much memory this process may use, and how much of it messages in transit may take."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from headrace_wire.system import cgroup
from headrace_wire.system.portable import PORTABLE
from headrace_wire.system.rlimits import LIMITS

#: The fraction of all memory that messages of one direction may take, and its maximum and minimum.
#: With the minimum, large messages still pass one after the other.
FLIGHT_PART = 4
MOST_FLIGHT_BYTES = 512 << 20
LEAST_FLIGHT_BYTES = 64 << 20


def count_memory(root: Path = Path("/")) -> int:
    """Return how many bytes of memory this process and its children may use: those of the machine,
    or fewer if a control group limits them.
    """
    limits = [_count_machine()]
    for version, folder in cgroup.find_folders("memory", root):
        file = folder / ("memory.limit_in_bytes" if version == 1 else "memory.max")
        with contextlib.suppress(OSError, ValueError):  # it does not exist, or is "max"
            limits.append(int(file.read_text()))
    return min(limits)


def find_memory_limit(root: Path = Path("/")) -> int:
    """Return how many bytes a control group allows this process and its children; 0 for no
    limit.
    """
    limit = count_memory(root)
    return 0 if limit >= _count_machine() else limit


def count_own_memory(root: Path = Path("/")) -> int:
    """Return how many bytes this process may use by itself, which ``ulimit`` may limit further."""
    if LIMITS is None:
        return count_memory(root)
    # The limits of ``ulimit -v`` and ``ulimit -d``.
    limits = map(LIMITS.getrlimit, (LIMITS.RLIMIT_AS, LIMITS.RLIMIT_DATA))
    set_here: list[int] = [soft for soft, _ in limits if soft != LIMITS.RLIM_INFINITY]
    return min([count_memory(root), *set_here])


def _count_machine() -> int:
    if hasattr(os, "sysconf") and not PORTABLE:
        return int(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    import psutil  # noqa: PLC0415 - it takes longer

    return int(psutil.virtual_memory().total)


def choose_flight_bytes(memory_bytes: int) -> int:
    """Return how many bytes messages of one direction may take, given the memory.

    A single larger message passes nevertheless, if no other one is moving.
    """
    return min(max(memory_bytes // FLIGHT_PART, LEAST_FLIGHT_BYTES), MOST_FLIGHT_BYTES)
