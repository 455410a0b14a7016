"""How many attempts at a job's tasks took how long."""

from __future__ import annotations

from bisect import bisect_left

from msgspec import Struct, field

from headrace_wire.job_views import NO_TIMES, TIME_BOUNDS, TaskTimes


class TimeCounts(Struct):
    """Counts in fixed steps; a job of which nothing has ended yet takes no room for them."""

    counts: list[int] = field(default_factory=list[int])

    def add(self, seconds: float, attempts: int = 1) -> None:
        """Count attempts that took so long each."""
        if not self.counts:
            self.counts = [0] * (len(TIME_BOUNDS) + 1)
        self.counts[bisect_left(TIME_BOUNDS, seconds)] += attempts

    def show(self) -> TaskTimes:
        return TaskTimes(TIME_BOUNDS, tuple(self.counts)) if self.counts else NO_TIMES
