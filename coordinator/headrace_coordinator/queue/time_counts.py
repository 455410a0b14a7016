"""Counts how long the attempts at a job's tasks took."""

from __future__ import annotations

from bisect import bisect_left
from math import inf

from msgspec import Struct, field

from headrace_wire.messages.job_views import NO_TIMES, TIME_BOUNDS, TaskTimes
from headrace_wire.messages.reports import DoneSpan
from headrace_wire.samples import TASK_SECONDS_BOUNDS

#: A time in each of the buckets in which workers count.
_PLACES = (*TASK_SECONDS_BOUNDS, inf)


class TimeCounts(Struct):
    """Counts in fixed steps. They take no memory before anything of the job has ended."""

    counts: list[int] = field(default_factory=list[int])

    def add(self, seconds: float, attempts: int = 1) -> None:
        """Count attempts that took this many seconds each."""
        if not self.counts:
            self.counts = [0] * (len(TIME_BOUNDS) + 1)
        self.counts[bisect_left(TIME_BOUNDS, seconds)] += attempts

    def add_span(self, span: DoneSpan, tasks: int) -> None:
        """Count accepted tasks of a span, each with its own time if that is known."""
        counts, size = span.durations, span.stop - span.start
        if tasks < size or len(counts) != len(_PLACES) or sum(counts) != size:
            self.add(span.busy_seconds / size, tasks)
            return
        for place, count in zip(_PLACES, counts, strict=True):
            if count:
                self.add(place, count)

    def show(self) -> TaskTimes:
        return TaskTimes(TIME_BOUNDS, tuple(self.counts)) if self.counts else NO_TIMES
