"""Which values of a job are missing after its end, and why, in words."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, islice

from headrace_coordinator.queue.ranges import RangeSet
from headrace_wire.messages.jobs import CANCELLED, JobStatus
from headrace_wire.words import count

#: How many indices of missing values are listed. The others are only counted.
INDICES_NAMED = 5


class Received:
    """The indices of the values that arrived, stored as ranges."""

    def __init__(self) -> None:
        self._indices = RangeSet()

    def add(self, start: int, stop: int) -> None:
        """Note the values in [start, stop)."""
        self._indices.add(start, stop)

    def count_missing(self, tasks: int) -> int:
        """Return how many of this many values did not arrive."""
        return tasks - self._indices.count

    def find_missing(self, tasks: int) -> list[int]:
        """Return the first indices without a value, as many as are listed."""
        gaps: Iterable[tuple[int, int]] = self._indices.missing(0, tasks)
        indices = chain.from_iterable(range(start, stop) for start, stop in gaps)
        return list(islice(indices, INDICES_NAMED))

    def find_passed_over(self) -> list[int]:
        """Return those below the last value that arrived, if not all have been read."""
        return self.find_missing(self._indices.end())


def describe_missing(status: JobStatus, received: Received, *, all_read: bool = True) -> str:
    """Return one line: how many values are missing, why, and which are the first; "" if none is.

    Unless ``all_read``, there may be more values than were received.
    """
    if all_read:
        missing, indices = received.count_missing(status.tasks), received.find_missing(status.tasks)
    else:
        missing, indices = status.tasks - status.done, received.find_passed_over()
    if missing <= 0:
        return ""
    which = ""
    if indices:
        listed = ", ".join(map(str, indices))
        which = f", of task {listed}" if missing == 1 else f", of tasks {listed}"
        which += " and others" if missing > len(indices) else ""
    return (
        f"{missing:,} of {count(status.tasks, 'value')} of job {status.id} "
        f"{'is' if missing == 1 else 'are'} missing{which}: {_explain(status)}"
    )


def _explain(status: JobStatus) -> str:
    reasons: list[str] = []
    if status.failed:
        reasons.append(f"{status.failed:,} {'task' if status.failed == 1 else 'tasks'} failed")
    if status.ended_because:
        reasons.append(status.ended_because)
    elif status.state == CANCELLED:
        reasons.append("the job was cancelled")
    return ", and ".join(reasons) or f"the job {status.state}, but its results were dropped"
