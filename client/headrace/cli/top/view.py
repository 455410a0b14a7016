"""What there is to see, asked of a coordinator: all of it for a list, more of one job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from headrace.cli.top.speeds import Speeds
from headrace_wire.api import TIMES_KEPT, JobQueueApi, ResultQueueApi
from headrace_wire.messages import (
    QUEUED,
    RUNNING,
    CoordinatorInfo,
    JobFilter,
    JobStatus,
    LogLine,
    LogRequest,
    State,
    TaskFailure,
    TaskProgress,
    TaskTime,
    WorkerStatus,
)

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller

    JobsCaller = AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi]
    ResultsCaller = AsyncCaller[ResultQueueApi] | BlockingCaller[ResultQueueApi]

#: Jobs in the list: so many that have not ended, and so many of the newest.
JOBS_SEEN = 200

#: Failed tasks of a job that are read, and running ones.
FAILURES_SEEN = 200
RUNNING_SEEN = 200

#: Job states in the order in which they are listed; all others come after these.
_ORDER: Final[dict[State, int]] = {RUNNING: 0, QUEUED: 1}


class Sight(Struct, frozen=True):
    """What is listed. ``speeds`` has the tasks a second of jobs and workers, by their ids."""

    info: CoordinatorInfo
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerStatus, ...]
    speeds: Speeds

    @property
    def tasks_per_second(self) -> float | None:
        """Tasks that are done in all jobs that run; None where that is not known yet."""
        found = [self.speeds.find(job.id) for job in self.jobs if job.state == RUNNING]
        known = [speed for speed in found if speed is not None]
        return sum(known) if known or not found else None


class JobSight(Struct, frozen=True):
    """One job; ``failures`` are None where they are those that were read before."""

    status: JobStatus
    progress: tuple[TaskProgress, ...]
    slowest: tuple[TaskTime, ...]
    failures: tuple[TaskFailure, ...] | None
    lines: tuple[LogLine, ...]
    lines_dropped: int
    speed: float | None


class View:
    """Looks at a coordinator and its jobs, and remembers how quickly they went on."""

    def __init__(self, jobs: JobsCaller, results: ResultsCaller) -> None:
        self.jobs = jobs
        self.results = results
        self._speeds = Speeds()

    async def look(self) -> Sight:
        """See what is listed: what has not ended, then the newest of what has."""
        info = await self.jobs.call(JobQueueApi.info)
        workers = await self.jobs.call(JobQueueApi.workers)
        active = await self._list_jobs(JobFilter((RUNNING, QUEUED), limit=JOBS_SEEN))
        newest = await self._list_jobs(JobFilter(limit=JOBS_SEEN))
        found = {job.id: job for job in (*active, *newest)}
        jobs = sorted(
            found.values(), key=lambda job: (_ORDER.get(job.state, len(_ORDER)), -job.number)
        )
        now = time.monotonic()
        for job in jobs:
            self._speeds.note(job.id, now, job.done)
        for worker in workers:
            self._speeds.note(worker.id, now, worker.done)
        self._speeds.keep([*found, *(worker.id for worker in workers)])
        ordered = sorted(workers, key=lambda worker: (worker.name, worker.id))
        return Sight(info, tuple(jobs), tuple(ordered), self._speeds)

    async def look_at(self, job: str, seen: SeenOfJob) -> JobSight:
        """See one job, and what is new since it was ``seen`` before. Raises UnknownJobError."""
        status = await self.jobs.call(JobQueueApi.status, job)
        self._speeds.note(job, time.monotonic(), status.done)
        failures: tuple[TaskFailure, ...] | None = None
        counted = (status.failed, status.done, status.finished_at)
        if counted != seen.counted:
            failures = await self.results.call(ResultQueueApi.failures, job, 0, FAILURES_SEEN)
            seen.counted = counted
        page = await self.results.call(ResultQueueApi.logs, LogRequest(job, seen.cursor, 0.0))
        seen.cursor = page.cursor
        return JobSight(
            status,
            await self.jobs.call(JobQueueApi.progress, job, RUNNING_SEEN),
            await self.jobs.call(JobQueueApi.slowest, job, TIMES_KEPT),
            failures,
            page.lines,
            page.dropped,
            self._speeds.find(job),
        )

    async def _list_jobs(self, chosen: JobFilter) -> tuple[JobStatus, ...]:
        return await self.jobs.call(JobQueueApi.jobs, 0, False, chosen)


class SeenOfJob:
    """What is known of a job and need not be read again."""

    cursor = 0
    counted: tuple[int, int, float | None] | None = None
