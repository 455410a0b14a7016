"""Leases that are over before all of their tasks had an outcome: it may still be reported."""

from __future__ import annotations

from msgspec import Struct, field

#: Leases that are remembered; each takes about 300 bytes.
MAX_PAST_LEASES = 1 << 16

#: Leases of one queue: numbers in this range from its first one on are its own.
OWN_LEASES = 1 << 32


class PastLease(Struct, frozen=True, array_like=True):
    """Tasks [start, stop) of a job, the worker that was granted them, the name of its key, and
    whether it had what the job needs. A job with the same id may have been submitted since: the
    moment at which the job was ``submitted_at`` tells them apart.
    """

    job: str
    worker: str
    key: str
    start: int
    stop: int
    submitted_at: float
    able: bool


class PastLeases(Struct):
    """The newest leases that ended, by number, and those of earlier queues over the same store that
    their workers have shown the proof of.

    Numbers from ``first`` on are those that this queue gives out.
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
        """Whether this queue never gives out a lease of that number."""
        return not self.first <= number < self.first + OWN_LEASES
