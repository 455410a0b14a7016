"""What a worker holds of one job."""

from __future__ import annotations

from msgspec import Struct

from headrace_coordinator.queue.ranges import RangeSet


class HeldLease(Struct):
    """Tasks of one job that a worker holds. ``held`` shrinks as outcomes arrive.

    ``alone`` means that they are suspected of killing their worker, which then holds nothing else.
    A later queue over the same store recognizes the lease by its ``proof``. Each task has advanced
    its job's virtual time by ``task_seconds``.
    """

    id: int
    job: str
    worker: str
    attempt: int
    start: int
    stop: int
    held: RangeSet
    request: int
    alone: bool = False
    proof: str = ""
    task_seconds: float = 0.0
