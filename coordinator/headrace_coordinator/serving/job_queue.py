"""The job queue as it is served: the API's methods over the ledger, with their waits.

Methods that wait, for a commit or for something to happen, are coroutines.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import TypeVar

from msgspec.structs import replace

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.ledger.ledger import Ledger, Transition
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.choosing import EVERY_JOB
from headrace_coordinator.queue.client_requests import TooEarlyError
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.running import list_running
from headrace_coordinator.queue.task_runs import cut_runs
from headrace_coordinator.serving.callers import JobAccess, may_see_values, name_worker_key
from headrace_coordinator.serving.job_views import JobViews
from headrace_coordinator.serving.journal import Journal
from headrace_coordinator.serving.lease_filler import LeaseFiller
from headrace_coordinator.serving.past_jobs import PastJobs
from headrace_coordinator.serving.reviver import Reviver
from headrace_coordinator.serving.sampler import Sampler
from headrace_coordinator.serving.topics import SPOOL, WORK, name_topic
from headrace_coordinator.serving.wake import Waiters, find_deadline
from headrace_coordinator.serving.worker_views import view_worker
from headrace_coordinator.store.need import RELIEF, Need, measure_intake
from headrace_wire.api import JOBS_PER_PAGE
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import SpoolFullError, StoreError, UnknownJobError
from headrace_wire.messages.job_views import TaskRuns, TaskTime, TaskTimes
from headrace_wire.messages.jobs import DATA_SERVICE, KEEP_FOR, JobFilter, JobSpec, JobStatus
from headrace_wire.messages.leases import Grant, LeaseRequest
from headrace_wire.messages.spans import HeldSpan
from headrace_wire.messages.views import (
    CoordinatorInfo,
    EventPage,
    EventRequest,
    Overview,
    Timeline,
    WorkerView,
)
from headrace_wire.messages.workers import (
    Heartbeat,
    Orders,
    Registration,
    RunningTask,
    TaskProgress,
    WorkerInfo,
    WorkerStatus,
)
from headrace_wire.roles import caller
from headrace_wire.version import PROTOCOL, VERSION

log = logging.getLogger(__name__)

Result = TypeVar("Result")

#: How many seconds a client waits for space before it is told that there is none.
ROOM_SECONDS = 5.0

#: How many seconds inputs wait for those before them. Meanwhile they take memory, which those may
#: be waiting for.
TURN_SECONDS = 5.0

#: How many seconds a client waits until workers return what it withdraws.
RECALL_SECONDS = 0.5

#: How many tasks are withdrawn in one transition.
WITHDRAWN_AT_ONCE = 500

#: The number of heartbeats during one lease; two of them may be lost.
BEATS_PER_LEASE = 3


class JobQueue:
    """Serves ``headrace_wire.api.JobQueueApi``, in the event loop's thread."""

    def __init__(
        self,
        ledger: Ledger,
        waiters: Waiters,
        lease_seconds: float,
        *,
        private_jobs: bool = False,
        make_token: Callable[[str], str] | None = None,
    ) -> None:
        #: The URL of the page, "" if it is not served.
        self.page = ""
        self._ledger = ledger
        self._access = JobAccess(ledger, private=private_jobs)
        self._waiters = waiters
        self._lease_seconds = lease_seconds
        self._lease_filler = LeaseFiller(ledger, make_token)
        self._reviver = Reviver(ledger)
        self._journal = Journal(waiters)
        ledger.listen(self._journal.note)
        self._views = JobViews(ledger)
        self._past = PastJobs(ledger, self._access)
        #: Called after each tick.
        self.sampler = Sampler(ledger, private=private_jobs)
        ledger.listen(self.sampler.note)
        self._started = time.monotonic()

    async def submit(self, spec: JobSpec) -> JobStatus:
        self._access.require(spec.id)
        self._past.require_free(spec.id)
        if spec.service == DATA_SERVICE and spec.operation.startswith(KEEP_FOR):
            self._access.require(spec.operation.removeprefix(KEEP_FOR))
        need, by = measure_intake(len(spec.parameters)), caller().name
        return await self._commit_with_room(
            lambda queue, now: queue.intake.submit(spec, now, by), need
        )

    async def put(self, job: str, start: int, inputs: bytes) -> int:
        self._access.require(job)
        try:
            return await self._put_in_turn(job, start, inputs)
        except StoreError as error:
            if not self._ledger.store.lacks_room:
                raise
            # The job is already being submitted, so its client waits for space.
            version = self._waiters.version(SPOOL)
            await self._waiters.wait(SPOOL, version, time.monotonic() + ROOM_SECONDS)
            raise SpoolFullError(error.message) from None

    def read(self, job: str) -> bytes:
        self._access.require(job)
        self._ledger.observe(lambda queue, _: queue.intake.require_data(job))
        try:
            batches = self._ledger.store.reader.read_inputs(job, 0, 1)
        except DamagedError as error:
            raise StoreError(f"the data of job {job} {error.reason}") from None
        if not batches:
            raise UnknownJobError(f"the data of job {job} is gone, or not there yet")
        return unpack_batch(batches[0])[0]

    async def seal(self, job: str, tasks: int) -> JobStatus:
        self._access.require(job)
        return await self._ledger.commit(
            lambda queue, now: queue.intake.seal(job, tasks, now), RELIEF
        )

    def status(self, job: str) -> JobStatus:
        self._access.require(job)
        entrusted = may_see_values()
        return self._past.answer(
            job,
            lambda queue, now: queue.intake.status(job, now, with_parameters=entrusted),
            lambda past: past.status,
        )

    async def jobs(
        self, before: int = 0, data: bool = False, chosen: JobFilter | None = None
    ) -> tuple[JobStatus, ...]:
        if chosen and chosen.past:
            return await self._past.list_jobs(before, chosen)
        by = self._access.find_limit()
        return self._ledger.observe(
            lambda queue, now: queue.intake.list_jobs(
                before or inf, JOBS_PER_PAGE, now, data=data, chosen=chosen or EVERY_JOB, by=by
            )
        )

    async def count_jobs(self, chosen: JobFilter) -> int:
        if chosen.past:
            return await self._past.count_jobs(chosen)
        by = self._access.find_limit()
        return self._ledger.observe(lambda queue, _: queue.intake.count_jobs(chosen, by))

    def match(self, start: str) -> tuple[str, ...]:
        by = self._access.find_limit()
        found = self._ledger.observe(lambda queue, _: queue.intake.match(start, by))
        return tuple(found or self._past.match(start))

    async def cancel(self, job: str) -> JobStatus:
        self._access.require(job)
        return await self._ledger.commit(lambda queue, now: queue.intake.cancel(job, now), RELIEF)

    async def retry(self, job: str) -> JobStatus:
        self._access.require(job)
        await self._reviver.retry(job)
        return self.status(job)

    async def replay(self, job: str, indices: tuple[int, ...] | None = None) -> JobStatus:
        self._access.require(job)
        await self._reviver.replay(job, None if indices is None else sorted(set(indices)))
        return self.status(job)

    async def withdraw(self, job: str, indices: tuple[int, ...], kill: bool) -> tuple[int, ...]:
        self._access.require(job)
        topic = name_topic("job", job)
        deadline = time.monotonic() + RECALL_SECONDS
        version = self._waiters.version(topic)
        withdrawn: list[int] = []
        for place in range(0, len(indices), WITHDRAWN_AT_ONCE):  # others get their turn in between
            some = indices[place : place + WITHDRAWN_AT_ONCE]
            withdrawn += await self._withdraw_some(job, some, kill=kill)
        if kill or len(withdrawn) == len(indices):
            return tuple(withdrawn)
        while await self._waiters.wait(topic, version, deadline):
            version = self._waiters.version(topic)
            if not self._ledger.observe(lambda queue, _: queue.outcomes.count_recalled(job)):
                break
        return self._ledger.observe(lambda queue, _: queue.outcomes.forget_recall(job, indices))

    async def delete(self, job: str) -> None:
        self._access.require(job)
        await self._ledger.commit(lambda queue, _: queue.intake.delete(job), RELIEF)
        if self._past.look_up(job):
            await self._ledger.commit(lambda queue, _: queue.intake.drop_summary(job), RELIEF)

    def progress(self, job: str, limit: int) -> tuple[TaskProgress, ...]:
        self._access.require(job)
        found = self._past.answer(
            job, lambda queue, _: queue.leasing.progress(job), lambda _: list[TaskProgress]()
        )
        return tuple(found[: max(0, limit)])

    def slowest(self, job: str, limit: int) -> tuple[TaskTime, ...]:
        self._access.require(job)
        found = self._past.answer(
            job,
            lambda queue, _: queue.state.find(job).slowest,
            lambda _: list[tuple[float, TaskTime]](),
        )
        return tuple(time for _, time in reversed(found))[:limit]

    async def task_runs(self, job: str, start: int, stop: int, limit: int) -> TaskRuns:
        self._access.require(job)
        return await self._past.answer_later(
            job,
            self._views.find_task_runs(job, start, stop, limit),
            lambda past: cut_runs(past.runs, start, stop, max(1, limit)),
        )

    def task_times(self, job: str) -> TaskTimes:
        self._access.require(job)
        return self._past.answer(
            job, lambda queue, _: queue.state.find(job).times.show(), lambda past: past.times
        )

    def workers(self) -> tuple[WorkerStatus, ...]:
        return tuple(self._ledger.observe(lambda queue, now: queue.leasing.statuses(now)))

    def info(self) -> CoordinatorInfo:
        by = self._access.find_limit()

        def look(queue: Queue, _: Now) -> CoordinatorInfo:
            return CoordinatorInfo(
                version=VERSION,
                protocol=PROTOCOL,
                uptime_seconds=time.monotonic() - self._started,
                workers=len(queue.state.members),
                slots=queue.state.slots,
                jobs=_count_jobs(queue, by),
                store_ok=not self._ledger.problem,
                problem=self._ledger.problem,
                held=queue.spool.held_because,
                page=self.page,
            )

        return self._ledger.observe(look)

    def worker(self, worker: str) -> WorkerView:
        by = self._access.find_limit()
        return self._ledger.observe(
            lambda queue, now: view_worker(queue.state, worker, self.sampler.pasts, now, by)
        )

    def drain(self, worker: str) -> WorkerStatus:
        self._access.require_shared_workers()
        return self._ledger.observe(lambda queue, now: queue.leasing.drain(worker, now))

    def running(self, job: str, limit: int) -> tuple[RunningTask, ...]:
        self._access.require(job)
        found = self._past.answer(
            job,
            lambda queue, now: list_running(queue.state, job, now),
            lambda _: list[RunningTask](),
        )
        return tuple(found[:limit])

    def overview(self) -> Overview:
        return self.sampler.overview(self._access.find_limit())

    def timeline(self, since: float) -> Timeline:
        return self.sampler.timeline(since, self._access.find_limit())

    async def events(self, request: EventRequest) -> EventPage:
        return await self._journal.read(request, self._access.find_limit())

    def register(self, worker: WorkerInfo, held: tuple[HeldSpan, ...]) -> Registration:
        key = name_worker_key()
        self._ledger.observe(lambda queue, now: queue.leasing.register(worker, held, now, key))
        return Registration(self._lease_seconds, self._lease_seconds / BEATS_PER_LEASE)

    async def lease(self, request: LeaseRequest) -> Grant:
        key = name_worker_key()

        def grant(queue: Queue, now: Now) -> tuple[list[tuple[HeldLease, JobSpec]], bool]:
            held = queue.leasing.lease(request, now, key)
            jobs = queue.state.jobs
            return [(lease, jobs[lease.job].spec) for lease in held], queue.state.may_have_work

        deadline = find_deadline(request.wait_seconds)
        while True:
            version = self._waiters.version(WORK)
            if self._ledger.may_lease:
                more, granted = True, None
                try:
                    granted, more = self._ledger.observe(grant)
                finally:
                    if more:  # this call may have been woken for all that wait
                        self._waiters.pass_on(WORK)
                if granted:
                    filled = await self._lease_filler.fill(granted, request.known_jobs)
                    if filled:
                        return Grant(filled)
                    continue  # what was granted is gone, and there may be more
            if not await self._waiters.wait(WORK, version, deadline):
                return Grant(())

    async def heartbeat(self, beat: Heartbeat) -> Orders:
        async def look() -> Orders:
            return self._ledger.observe(lambda queue, _: queue.leasing.take_orders(beat.worker))

        key = name_worker_key()
        begun = time.monotonic()
        self._ledger.observe(lambda queue, now: queue.leasing.heartbeat(beat, now, key))
        orders = await self._waiters.poll(
            name_topic("orders", beat.worker),
            find_deadline(beat.wait_seconds),
            look,
            lambda orders: orders.number > beat.orders or not orders.known,
        )
        return replace(orders, waited_seconds=time.monotonic() - begun)

    async def leave(self, worker: str) -> None:
        key = name_worker_key()
        await self._ledger.commit(lambda queue, now: queue.leasing.leave(worker, now, key), RELIEF)

    async def _withdraw_some(
        self, job: str, indices: Sequence[int], *, kill: bool
    ) -> tuple[int, ...]:
        return await self._ledger.commit(
            lambda queue, now: queue.outcomes.withdraw(job, indices, kill=kill, now=now), RELIEF
        )

    async def _put_in_turn(self, job: str, start: int, inputs: bytes) -> int:
        """Put inputs after those before them, which may not have arrived yet: a client that is far
        away sends several batches at a time, each on its own connection. Raises SpoolFullError.
        """
        need = measure_intake(len(inputs))
        topic, deadline = name_topic("job", job), time.monotonic() + TURN_SECONDS
        while True:
            version = self._waiters.version(topic)
            try:
                return await self._commit_with_room(
                    lambda queue, now: queue.intake.put(job, start, inputs, now), need
                )
            except TooEarlyError as error:
                is_late = time.monotonic() >= deadline
                if is_late or not await self._waiters.wait(topic, version, deadline):
                    raise SpoolFullError(error.message) from None

    async def _commit_with_room(self, transition: Transition[Result], need: Need) -> Result:
        """Commit a change that needs space in the spool, and wait for space. Raises
        SpoolFullError.
        """
        deadline = time.monotonic() + ROOM_SECONDS
        while True:
            version = self._waiters.version(SPOOL)
            try:
                return await self._ledger.commit(transition, need)
            except SpoolFullError:
                if not await self._waiters.wait(SPOOL, version, deadline):
                    raise


def _count_jobs(queue: Queue, by: str | None) -> int:
    """Count the jobs, or only those that were submitted with one key."""
    if by is None:
        return len(queue.state.jobs) - queue.state.data_jobs
    jobs = queue.state.jobs.values()
    return sum(job.submitted_by == by and not job.keeps_data for job in jobs)
