"""What is read from a coordinator: everything for a list, and more about a single job."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final, get_args

from msgspec import Struct

from headrace.cli.top.speeds import Speeds
from headrace.job_log import Gaps
from headrace_wire.api import TIMES_KEPT, JobQueueApi, ResultQueueApi
from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, MAX_NAME_CHARACTERS
from headrace_wire.errors import HeadraceError
from headrace_wire.messages.job_views import FailureGroups, TaskTime
from headrace_wire.messages.jobs import QUEUED, RUNNING, JobFilter, JobStatus, State
from headrace_wire.messages.logs import LogLine, LogRequest
from headrace_wire.messages.views import ClusterEvent, EventRequest, Overview
from headrace_wire.messages.workers import RunningTask, TaskProgress, WorkerStatus

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller

    JobsCaller = AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi]
    ResultsCaller = AsyncCaller[ResultQueueApi] | BlockingCaller[ResultQueueApi]

#: How many jobs are listed at most: of those that have not ended, and of the newest.
JOBS_SEEN = 200

#: How many running tasks of a job are read.
RUNNING_SEEN = 200

#: How many events are read at first, and how many are kept.
EVENTS_AT_FIRST = 200
EVENTS_SEEN = 1000

STATES: tuple[State, ...] = get_args(State)

#: The job states in the order in which they are listed. All others come after these.
_ORDER: Final[dict[State, int]] = {RUNNING: 0, QUEUED: 1}


class ClusterSnapshot(Struct, frozen=True):
    """What is listed. The newest of the ``events`` are first.

    ``speeds`` contains the tasks per second of the workers, by their ids.
    """

    overview: Overview
    jobs: tuple[JobStatus, ...]
    workers: tuple[WorkerStatus, ...]
    events: tuple[ClusterEvent, ...]
    speeds: Speeds


class JobSnapshot(Struct, frozen=True):
    """One job. ``failures`` is None if they have not changed since they were last read.

    ``lines`` are the next lines of the log. ``lines_missed`` lines before them were not kept.
    """

    status: JobStatus
    running: tuple[RunningTask, ...]
    progress: tuple[TaskProgress, ...]
    slowest: tuple[TaskTime, ...]
    failures: FailureGroups | None
    lines: tuple[LogLine, ...]
    lines_missed: int


class View:
    """Reads the state of a coordinator and its jobs, and remembers how quickly they progress.

    ``refusal`` is why the key is refused, once that is known.
    """

    def __init__(self, jobs: JobsCaller, results: ResultsCaller) -> None:
        self.jobs = jobs
        self.results = results
        self.refusal: HeadraceError | None = None
        self._speeds = Speeds()
        self._events: deque[ClusterEvent] = deque(maxlen=EVENTS_SEEN)
        self._cursor = 0

    async def look(self, wanted: str = "") -> ClusterSnapshot:
        """Read what is listed: jobs that have not ended, then the newest of those that have.

        Of older jobs, only those that contain the words in ``wanted`` are listed.
        """
        overview = await self.jobs.call(JobQueueApi.overview)
        workers = await self.jobs.call(JobQueueApi.workers)
        active = await self._list_jobs(JobFilter((RUNNING, QUEUED), limit=JOBS_SEEN))
        newest = await self._list_jobs(JobFilter(limit=JOBS_SEEN))
        older = await self._search(wanted) if len(newest) == JOBS_SEEN else ()
        found = {job.id: job for job in (*active, *newest, *older)}
        jobs = sorted(
            found.values(), key=lambda job: (_ORDER.get(job.state, len(_ORDER)), -job.number)
        )
        now = time.monotonic()
        for worker in workers:
            self._speeds.note(worker.id, now, worker.done)
        self._speeds.keep([worker.id for worker in workers])
        ordered = sorted(workers, key=lambda worker: (worker.name, worker.id))
        await self._read_events()
        return ClusterSnapshot(
            overview, tuple(jobs), tuple(ordered), tuple(self._events), self._speeds
        )

    async def look_at(self, job: str, seen: SeenOfJob) -> JobSnapshot:
        """Read one job, and what is new since ``seen``. Raises UnknownJobError."""
        status = await self.jobs.call(JobQueueApi.status, job)
        failures: FailureGroups | None = None
        counted = (status.failed, status.done, status.finished_at)
        if counted != seen.counted:
            failures = await self.results.call(ResultQueueApi.failure_groups, job)
            seen.counted = counted
        page = await self.results.call(ResultQueueApi.logs, LogRequest(job, seen.cursor, 0.0))
        seen.cursor = page.cursor
        return JobSnapshot(
            status,
            await self.jobs.call(JobQueueApi.running, job, RUNNING_SEEN),
            await self.jobs.call(JobQueueApi.progress, job, RUNNING_SEEN),
            await self.jobs.call(JobQueueApi.slowest, job, TIMES_KEPT),
            failures,
            page.lines,
            seen.gaps.find_missed(page),
        )

    async def _read_events(self) -> None:
        request = EventRequest(self._cursor, last=EVENTS_AT_FIRST)
        page = await self.jobs.call(JobQueueApi.events, request)
        self._cursor = page.cursor
        self._events.extendleft(page.events)

    async def _search(self, wanted: str) -> tuple[JobStatus, ...]:
        """Return the jobs that may be meant: by a state, a text, or the name of a key."""
        words = wanted.split()
        lower = [word.casefold() for word in words]
        states: tuple[State, ...] = tuple(state for state in STATES if state in lower)
        others = [word for word in words if word.casefold() not in states]
        texts = {" ".join(others), max(others, key=len)} if others else {""}
        found: list[JobStatus] = []
        for text in texts if words else ():
            if len(text) <= MAX_NAME_CHARACTERS:
                found += await self._list_jobs(JobFilter(states, limit=JOBS_SEEN, text=text))
            if text and len(text) <= MAX_IDENTIFIER_CHARACTERS:
                held = JobFilter(states, limit=JOBS_SEEN, submitted_by=text)
                found += await self._list_jobs(held)
        return tuple(found)

    async def _list_jobs(self, chosen: JobFilter) -> tuple[JobStatus, ...]:
        return await self.jobs.call(JobQueueApi.jobs, 0, False, chosen)


class SeenOfJob:
    """What is known about a job and need not be read again."""

    def __init__(self) -> None:
        self.cursor = 0
        self.gaps = Gaps()
        self.counted: tuple[int, int, float | None] | None = None
