"""The methods of a cluster that describe it: figures, events, and its workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from headrace_wire.api import MAX_WAIT_SECONDS, JobQueueApi
from headrace_wire.bounds import Label, check_fields, check_value
from headrace_wire.messages.views import (
    EVENTS_PER_PAGE,
    ClusterEvent,
    EventPage,
    EventRequest,
    Overview,
    Timeline,
    WorkerView,
)
from headrace_wire.messages.workers import WorkerStatus

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller

    JobsCaller = AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi]


class AwaitedViews(ABC):
    """The methods of a cluster that describe the cluster itself."""

    @abstractmethod
    def _find_jobs(self) -> JobsCaller:
        """Return the caller of the job queue."""

    async def workers(self) -> tuple[WorkerStatus, ...]:
        """Return every connected worker."""
        return await self._find_jobs().call(JobQueueApi.workers)

    async def worker(self, worker: str) -> WorkerView:
        """Return one worker, by its name or id, with what its slots run and figures of the last
        hour.

        Raises UnknownWorkerError, and UsageError if several workers have the name.
        """
        named: str = check_value(Label, worker, "worker")
        return await self._find_jobs().call(JobQueueApi.worker, named)

    async def drain(self, worker: str) -> WorkerStatus:
        """Drain a worker, by its name or id: it starts no more tasks, finishes those that run, and
        exits.

        Raises UnknownWorkerError, and UsageError if several workers have the name.
        """
        named: str = check_value(Label, worker, "worker")
        return await self._find_jobs().call(JobQueueApi.drain, named)

    async def overview(self) -> Overview:
        """Return figures of the whole cluster."""
        return await self._find_jobs().call(JobQueueApi.overview)

    async def timeline(self, since: float = 0.0) -> Timeline:
        """Return figures for every ten seconds of the last hour, after this Unix time."""
        return await self._find_jobs().call(JobQueueApi.timeline, since)

    async def events(
        self, *, follow: bool = False, job: str = "", last: int = 0
    ) -> AsyncGenerator[ClusterEvent]:
        """Iterate over the events of jobs and workers, from the oldest that the coordinator keeps.

        If ``last`` is not 0, it begins with the newest ``last`` events. With ``job``, only events
        of the job with this id are returned. With ``follow`` the iterator does not end: it waits
        for new events.
        """
        request = EventRequest(job=job, last=last)
        check_fields(request)
        async for page in read_pages(self._find_jobs(), request, follow=follow):
            for event in page.events:
                yield event


async def read_pages(
    jobs: JobsCaller, request: EventRequest, *, follow: bool
) -> AsyncGenerator[EventPage]:
    """Iterate over pages of events; with ``follow`` it does not end."""
    while True:
        page = await jobs.call(JobQueueApi.events, request)
        yield page
        if not follow and len(page.events) < EVENTS_PER_PAGE:
            return
        wait_seconds = MAX_WAIT_SECONDS if follow else 0.0
        request = EventRequest(page.cursor, wait_seconds, job=request.job)
