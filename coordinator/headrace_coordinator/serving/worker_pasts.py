"""The figures of workers over the last hour: a few bytes for each worker and step."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping

from msgspec import Struct, field

from headrace_coordinator.queue.members import Member
from headrace_wire.messages.views import STEPS_KEPT, WorkerPoint

#: Larger values are stored as this; no machine has so many cores.
MAX_CPU_PERCENT = 1e6


class _Past(Struct):
    """One worker's figures, the oldest first; the last ones belong to the last point in time."""

    busy: array[int] = field(default_factory=lambda: array("H"))
    cpu_percent: array[float] = field(default_factory=lambda: array("f"))
    rss_bytes: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, member: Member) -> None:
        self.busy.append(min(member.busy, member.info.slots))
        self.cpu_percent.append(min(member.cpu_percent, MAX_CPU_PERCENT))
        self.rss_bytes.append(member.rss_bytes)
        if len(self.busy) > STEPS_KEPT:
            for figures in (self.busy, self.cpu_percent, self.rss_bytes):
                del figures[0]


class WorkerPasts:
    """The past figures of the connected workers."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=STEPS_KEPT)
        self._pasts: dict[str, _Past] = {}

    def take(self, members: Mapping[str, Member], at: float) -> None:
        """Record the current figures of each worker, and remove workers that have disconnected."""
        self._moments.append(at)
        for gone in self._pasts.keys() - members.keys():
            del self._pasts[gone]
        for worker, member in members.items():
            if worker not in self._pasts:
                self._pasts[worker] = _Past()
            self._pasts[worker].add(member)

    def list_points(self, worker: str) -> tuple[WorkerPoint, ...]:
        """Return the recorded figures of a worker, the oldest first."""
        past = self._pasts.get(worker, _Past())
        moments = list(self._moments)[len(self._moments) - len(past.busy) :]
        figures = zip(moments, past.busy, past.cpu_percent, past.rss_bytes, strict=True)
        return tuple(WorkerPoint(*one) for one in figures)
