"""A cluster puts the pages of a list together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from headrace.cluster import Cluster
from headrace_wire.api import JOBS_PER_PAGE
from headrace_wire.messages import JobStatus
from support.wire_messages import make_message

if TYPE_CHECKING:
    from headrace.engine import Engine


class PagedJobs:
    """Answers as a coordinator of so many jobs."""

    def __init__(self, count: int) -> None:
        self.statuses = [make_message(JobStatus, number=number) for number in range(count, 0, -1)]

    def list(self, before: int) -> tuple[JobStatus, ...]:
        found = [status for status in self.statuses if not before or status.number < before]
        return tuple(found[:JOBS_PER_PAGE])


def list_numbers(count: int) -> list[int]:
    cluster = Cluster.__new__(Cluster)
    paged = PagedJobs(count)
    engine = type("Paged", (), {"jobs": type("Jobs", (), {"jobs": staticmethod(paged.list)})})
    cluster._engine = cast("Engine", engine)  # pyright: ignore[reportPrivateUsage]
    return [status.number for status in cluster.jobs()]


def test_all_jobs_are_listed_however_many_pages_they_take() -> None:
    for count in (0, 1, JOBS_PER_PAGE, JOBS_PER_PAGE + 1, 3 * JOBS_PER_PAGE - 1):
        assert list_numbers(count) == list(range(count, 0, -1))
