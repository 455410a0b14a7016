"""Leases that ended before all of their tasks had an outcome, which may still be reported."""

from __future__ import annotations

from msgspec import Struct, field

#: How many leases are remembered; each takes about 300 bytes.
MAX_PAST_LEASES = 1 << 16

#: The size of the range of numbers that belong to the leases of one queue.
OWN_LEASES = 1 << 32


class PastLease(Struct, frozen=True, array_like=True):
    """Tasks [start, stop) of a job, the worker to which they were leased, the name of its key, and
    whether it had what the job needs. ``submitted_at`` distinguishes the job from one with the same
    id that was submitted later.
    """

    job: str
    worker: str
    key: str
    start: int
    stop: int
    submitted_at: float
    met_needs: bool


class PastLeases(Struct):
    """The newest leases that ended, by number, and those of earlier queues over the same store
    whose proofs their workers have sent.

    This queue assigns numbers from ``first`` on.
    """

    first: int = 1
    _kept: dict[int, PastLease] = field(default_factory=dict[int, PastLease])

    def add(self, number: int, lease: PastLease) -> None:
        self._kept[number] = lease
        if len(self._kept) > MAX_PAST_LEASES:
            del self._kept[next(iter(self._kept))]

    def find(self, number: int) -> PastLease | None:
        return self._kept.get(number)

    def is_foreign(self, number: int) -> bool:
        """Return whether this queue never assigns that number to a lease."""
        return not self.first <= number < self.first + OWN_LEASES
