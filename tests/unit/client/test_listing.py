"""A cluster puts the pages of a list together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from headrace.cluster import Cluster
from headrace_wire.api import JOBS_PER_PAGE
from headrace_wire.messages.jobs import JobFilter, JobStatus
from support.wire_messages import make_message

if TYPE_CHECKING:
    from headrace.engine import Engine


class PagedJobs:
    """Answers as a coordinator of so many jobs."""

    def __init__(self, count: int) -> None:
        self.statuses = [make_message(JobStatus, number=number) for number in range(count, 0, -1)]

    def list(self, before: int, data: bool, chosen: JobFilter) -> tuple[JobStatus, ...]:
        del data
        most = min(chosen.limit or JOBS_PER_PAGE, JOBS_PER_PAGE)
        found = [status for status in self.statuses if not before or status.number < before]
        return tuple(found[:most])


def list_numbers(count: int, limit: int | None = None) -> list[int]:
    cluster = Cluster.__new__(Cluster)
    paged = PagedJobs(count)
    engine = type("Paged", (), {"jobs": type("Jobs", (), {"jobs": staticmethod(paged.list)})})
    cluster._engine = cast("Engine", engine)  # pyright: ignore[reportPrivateUsage]
    return [status.number for status in cluster.jobs(limit=limit)]


def test_all_jobs_are_listed_however_many_pages_they_take() -> None:
    for count in (0, 1, JOBS_PER_PAGE, JOBS_PER_PAGE + 1, 3 * JOBS_PER_PAGE - 1):
        assert list_numbers(count) == list(range(count, 0, -1))


def test_no_more_jobs_are_listed_than_are_wanted() -> None:
    for limit in (1, 20, JOBS_PER_PAGE, JOBS_PER_PAGE + 1):
        count = 2 * JOBS_PER_PAGE
        assert list_numbers(count, limit) == list(range(count, count - limit, -1))
    assert list_numbers(3, 20) == [3, 2, 1]
