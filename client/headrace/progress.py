"""A job's progress: a number, and a way to watch it grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

Statuses = TypeVar("Statuses")

#: How many seconds pass between two looks at a job, which is enough for drawing a bar.
PAUSE_SECONDS = 0.1

#: After how many seconds there is a look even if no task has ended.
NEWS_SECONDS = 1.0


class Progress(float, Generic[Statuses]):
    """The fraction of a job's tasks that have an outcome, from 0 to 1. Calling it watches the job.

    ``for status in job.progress():`` ends with the job. It yields the job's status whenever it
    changes, at least once and at most ten times a second. Raises WaitTimedOutError if the job has
    not ended after ``timeout`` seconds.
    """

    _watch: Callable[[float | None], Statuses]

    def __new__(cls, part: float, watch: Callable[[float | None], Statuses]) -> Self:
        made = super().__new__(cls, part)
        made._watch = watch
        return made

    def __call__(self, timeout: float | None = None) -> Statuses:
        """Watch the job."""
        return self._watch(timeout)

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)
