"""A job's log, in pages: what its tasks have printed and logged."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from headrace_wire.api import MAX_WAIT_SECONDS, ResultQueueApi
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.logs import LogPage, LogRequest

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller


class Gaps:
    """Finds out where lines are missing in a log that is read from its beginning, page by page.

    The coordinator drops a job's oldest lines. Lines that were read before that are not missing.
    """

    def __init__(self) -> None:
        self._seen = 0

    def find_missed(self, page: LogPage) -> int:
        """Return how many lines are missing between the last page and this one."""
        missed = max(0, page.dropped - self._seen)
        self._seen += missed + len(page.lines)
        return missed


async def read_pages(
    results: AsyncCaller[ResultQueueApi] | BlockingCaller[ResultQueueApi],
    job_id: str,
    *,
    follow: bool,
) -> AsyncGenerator[LogPage]:
    """Yield a job's log from its beginning; with ``follow``, until the job ends.

    Raises UnknownJobError if there is no such job. A job that is deleted meanwhile has ended.
    """
    cursor, seen = 0, False
    while True:
        request = LogRequest(job_id, cursor, MAX_WAIT_SECONDS if follow and seen else 0.0)
        try:
            page = await results.call(ResultQueueApi.logs, request)
        except UnknownJobError:
            if not seen:
                raise
            return
        yield page
        if page.complete or not (page.lines or follow):
            return
        cursor, seen = page.cursor, True
