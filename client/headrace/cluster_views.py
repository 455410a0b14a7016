"""What a program sees of a whole cluster: figures, events, and its workers one by one."""

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
    """The part of a cluster that looks at the cluster itself."""

    @abstractmethod
    def _find_jobs(self) -> JobsCaller:
        """What calls the job queue."""

    async def workers(self) -> tuple[WorkerStatus, ...]:
        """Every connected worker."""
        return await self._find_jobs().call(JobQueueApi.workers)

    async def worker(self, worker: str) -> WorkerView:
        """One worker, by its name or id: what its slots run, and how it did in the last hour.

        Raises UnknownWorkerError, and UsageError for a name that several workers have.
        """
        named: str = check_value(Label, worker, "worker")
        return await self._find_jobs().call(JobQueueApi.worker, named)

    async def drain(self, worker: str) -> WorkerStatus:
        """Have a worker go, by its name or id: it takes nothing new, and finishes what runs.

        Raises UnknownWorkerError, and UsageError for a name that several workers have.
        """
        named: str = check_value(Label, worker, "worker")
        return await self._find_jobs().call(JobQueueApi.drain, named)

    async def overview(self) -> Overview:
        """The whole cluster in a few numbers."""
        return await self._find_jobs().call(JobQueueApi.overview)

    async def timeline(self, since: float = 0.0) -> Timeline:
        """How the cluster did every ten seconds of the last hour, after this Unix time."""
        return await self._find_jobs().call(JobQueueApi.timeline, since)

    async def events(
        self, *, follow: bool = False, job: str = "", last: int = 0
    ) -> AsyncGenerator[ClusterEvent]:
        """What happened to jobs and workers, the oldest that the coordinator remembers first.

        It begins with the newest ``last`` if that is not 0. With ``job``, only what happened to the
        job of this id. With ``follow`` it goes on with what comes, for ever.
        """
        request = EventRequest(job=job, last=last)
        check_fields(request)
        async for page in read_pages(self._find_jobs(), request, follow=follow):
            for event in page.events:
                yield event


async def read_pages(
    jobs: JobsCaller, request: EventRequest, *, follow: bool
) -> AsyncGenerator[EventPage]:
    """Events, page by page; ``follow`` goes on for ever."""
    while True:
        page = await jobs.call(JobQueueApi.events, request)
        yield page
        if not follow and len(page.events) < EVENTS_PER_PAGE:
            return
        wait_seconds = MAX_WAIT_SECONDS if follow else 0.0
        request = EventRequest(page.cursor, wait_seconds, job=request.job)
