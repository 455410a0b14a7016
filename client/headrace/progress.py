"""How far a job is: a number, and the way to watch it grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Self, TypeVar

Statuses = TypeVar("Statuses")

#: Seconds between two looks at a job that is watched: whoever draws a bar needs no more of them.
PAUSE_SECONDS = 0.1

#: Seconds after which there is a look even if no task has ended.
NEWS_SECONDS = 1.0


class Progress(float, Generic[Statuses]):
    """The part of a job's tasks that have an outcome, from 0 to 1. Called, it watches the job.

    ``for status in job.progress():`` ends with the job, and gives its status whenever there is
    news, at least once a second and ten times a second at most. Raises WaitTimedOutError when the
    job has not ended after ``timeout`` seconds.
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
