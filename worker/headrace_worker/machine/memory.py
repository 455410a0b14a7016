"""How much memory this machine or container has, and keeping a process within a part of it."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

from headrace_worker.machine import cgroup


def count_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that this process and its children may have: the machine's, or less
    where a control group says so.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for version, folder in cgroup.find_folders("memory", root):
        file = folder / ("memory.limit_in_bytes" if version == 1 else "memory.max")
        with contextlib.suppress(OSError, ValueError):  # it is not there, or "max"
            limits.append(int(file.read_text()))
    return min(limits)


def limit_memory(limit_bytes: int) -> None:
    """Let this process have no more than so much writable memory of its own, for good.

    What it asks for beyond that is refused, which is a MemoryError. It is not its address space
    that is limited: libraries and files that are mapped, and what is only reserved, are free.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit_bytes = min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
