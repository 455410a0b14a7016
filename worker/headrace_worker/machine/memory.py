"""Keeping a process within a part of the memory."""

from __future__ import annotations

import resource


def limit_memory(limit_bytes: int) -> None:
    """Let this process have no more than so much writable memory of its own, for good.

    What it asks for beyond that is refused, which is a MemoryError. It is not its address space
    that is limited: libraries and files that are mapped, and what is only reserved, are free.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit_bytes = min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
