"""The result queue as it is served: it accepts reports and returns results.

Methods that wait, for a commit or for news, are coroutines.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.serving.callers import JobAccess, may_see_values, name_worker_key
from headrace_coordinator.serving.failure_groups import FailureBook
from headrace_coordinator.serving.past_jobs import PastJobs
from headrace_coordinator.serving.topics import name_topic
from headrace_coordinator.serving.wake import Waiters, find_deadline
from headrace_coordinator.store.need import RELIEF, measure_outcomes
from headrace_wire.errors import JobStateError
from headrace_wire.log_format import about
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroups
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.logs import LogPage, LogRequest
from headrace_wire.messages.reports import Receipt, Report, Sample
from headrace_wire.messages.results import Collected, CollectRequest, Fetched, FetchRequest
from headrace_wire.roles import caller

log = logging.getLogger(__name__)

Found = TypeVar("Found")

#: The maximum number of bytes of values in one answer; a single span may be larger.
MAX_FETCH_BYTES = 32 << 20

#: The maximum number of bytes of log lines in one answer; those of a single report may be more.
MAX_LOG_BYTES = 1 << 20

#: The maximum number of failures in one answer.
MAX_FAILURES = 1000


class ResultQueue:
    """Serves ``headrace_wire.api.ResultQueueApi``, in the event loop's thread.

    ``on_samples(worker, number, samples)`` is called with each report after its commit.
    """

    def __init__(
        self,
        ledger: Ledger,
        waiters: Waiters,
        on_samples: Callable[[str, int, Sequence[Sample]], None] | None = None,
        *,
        private_jobs: bool = False,
    ) -> None:
        self._ledger = ledger
        self._access = JobAccess(ledger, private=private_jobs)
        self._waiters = waiters
        self._on_samples = on_samples
        self._failures = FailureBook(ledger)
        self._past = PastJobs(ledger, self._access)

    async def report(self, report: Report) -> Receipt:
        need = measure_outcomes(sum(len(run.values) for run in report.done))
        key = name_worker_key()
        receipt = await self._ledger.commit(
            lambda queue, now: queue.outcomes.report(report, now, key), need
        )
        if self._on_samples:
            self._on_samples(report.worker, report.number, report.samples)
        return receipt

    async def fetch(self, request: FetchRequest) -> Fetched:
        self._access.require(request.job)
        why: str | None = None

        def is_news(fetched: Fetched) -> bool:
            nonlocal why
            why, before = fetched.status.waiting_for, why
            has_moved = fetched.status.done + fetched.status.failed != request.seen
            has_stopped = bool(why) and before == ""
            return bool(fetched.runs) or fetched.complete or has_moved or has_stopped

        return await self._waiters.poll(
            name_topic("job", request.job),
            find_deadline(request.wait_seconds),
            partial(self._read, request.job, partial(self._look, request)),
            is_news,
        )

    async def collect(self, request: CollectRequest) -> Collected:
        self._access.require(request.job)
        topic = name_topic("job", request.job)
        deadline = find_deadline(request.wait_seconds)
        gathered = min(deadline, time.monotonic() + request.gather_seconds)
        self._ledger.observe(
            lambda queue, now: queue.intake.deliver(request.job, request.delivered, now)
        )
        version = self._waiters.version(topic)
        while self._may_gather(request, gathered):
            await self._waiters.wait(topic, version, gathered)
            version = self._waiters.version(topic)
        return await self._waiters.poll(
            topic,
            deadline,
            partial(self._read, request.job, partial(self._look_at_outcomes, request)),
            lambda found: bool(
                found.runs or found.failures or found.complete or request.until is not None
            ),
        )

    def failures(self, job: str, start: int, limit: int) -> tuple[TaskFailure, ...]:
        self._access.require(job)
        if not self._past.answer(job, lambda queue, _: queue.state.find(job), lambda _: None):
            return ()
        found = self._ledger.store.reader.read_failures(job, start, min(limit, MAX_FAILURES))
        return found if may_see_values() else tuple(replace(one, detail=b"") for one in found)

    async def failure_groups(self, job: str) -> FailureGroups:
        self._access.require(job)
        return await self._past.answer_later(
            job, self._failures.find(job), lambda past: past.failures
        )

    async def logs(self, request: LogRequest) -> LogPage:
        self._access.require(request.job)
        polled = self._waiters.poll(
            name_topic("log", request.job),
            find_deadline(request.wait_seconds),
            partial(self._look_at_log, request),
            lambda page: bool(page.lines or page.complete),
        )
        return await self._past.answer_later(
            request.job, polled, lambda _: LogPage((), request.cursor, 0, complete=True)
        )

    async def acknowledge(self, job: str) -> None:
        self._access.require(job)
        await self._ledger.commit(lambda queue, _: queue.intake.acknowledge(job), RELIEF)

    async def _read(self, job: str, look: Callable[[], Found]) -> Found:
        """Read results. If the first ones are damaged, let their tasks fail, and read again."""
        while True:
            try:
                return look()
            except DamagedError as error:
                await self._lose_results(job, error)

    async def _lose_results(self, job: str, lost: DamagedError) -> None:
        extra = about(job, lost.start)
        log.error("job %s: the value of task %d %s", job, lost.start, lost.reason, extra=extra)
        await self._ledger.commit(
            lambda queue, now: queue.outcomes.lose_results(job, lost, now), RELIEF
        )

    def _may_gather(self, request: CollectRequest, until: float) -> bool:
        """Return whether to wait for more results before answering."""

        def look(queue: Queue, _: Now) -> bool:
            job = queue.state.find(request.job)
            return not job.is_final and job.result_bytes < request.max_bytes

        return time.monotonic() < until and not self._waiters.closed and self._ledger.observe(look)

    def _look_at_outcomes(self, request: CollectRequest) -> Collected:
        def look(queue: Queue, now: Now) -> tuple[bool, bool, RangeSet]:
            job = _find_results(queue, request.job, now)
            # This is a copy, because it is read outside of the lock.
            return job.is_final, bool(job.dead), RangeSet(job.dropped)

        final, failed, delivered = self._ledger.observe(look)
        reader, size = self._ledger.store.reader, min(request.max_bytes, MAX_FETCH_BYTES)
        found, cursor = reader.read_results_after(request.job, request.cursor, size, request.until)
        failures: tuple[TaskFailure, ...] = ()
        last, is_piece = request.failure_cursor, request.until is not None
        if failed and (not is_piece or request.pieces):
            failures, last = reader.read_failures_after(request.job, last, MAX_FAILURES)
        pieces: tuple[int, ...] = ()
        if request.pieces:
            planned = max(cursor, request.planned)
            pieces = reader.plan_pieces(request.job, planned, size, request.pieces)
        return Collected(
            runs=tuple(run for run in found if run.start not in delivered),
            cursor=cursor,
            failures=failures,
            failure_cursor=last,
            complete=final and not found and not failures and not is_piece,
            pieces=pieces,
        )

    async def _look_at_log(self, request: LogRequest) -> LogPage:
        def look(queue: Queue, _: Now) -> bool:
            return queue.state.find(request.job).is_final

        final = self._ledger.observe(look)
        reader = self._ledger.store.reader
        lines, cursor, dropped = reader.read_lines_after(request.job, request.cursor, MAX_LOG_BYTES)
        return LogPage(lines, cursor, dropped, final and not lines)

    def _look(self, request: FetchRequest) -> Fetched:
        def look(queue: Queue, now: Now) -> tuple[JobStatus, RangeSet]:
            job = _find_results(queue, request.job, now)
            status = queue.intake.status(request.job, now, with_parameters=not request.known)
            # This is a copy, because it is read outside of the lock. Dead tasks are only skipped if
            # values of a running job are requested in order. Of a final job, nothing that is
            # missing will come.
            if request.ordered and not job.is_final:
                return status, RangeSet([*job.dead, *job.dropped])
            return status, RangeSet(job.dropped)

        status, skipped = self._ledger.observe(look)
        final = status.finished_at is not None
        reader, size = self._ledger.store.reader, min(request.max_bytes, MAX_FETCH_BYTES)
        if request.ordered:
            runs, cursor = reader.read_results_from(
                request.job, request.cursor, size, skipped, status.tasks if final else None
            )
            return Fetched(status, tuple(runs), cursor, final and cursor >= status.tasks)
        found, cursor = reader.read_results_after(request.job, request.cursor, size)
        runs = [run for run in found if run.start not in skipped]
        return Fetched(status, tuple(runs), cursor, final and not found)


def _find_results(queue: Queue, job_id: str, now: Now) -> Job:
    """Return a job, and note that its client is there.

    Raises JobStateError if results are no longer kept.
    """
    job = queue.state.find(job_id)
    if not caller().glances:
        job.heard = now.monotonic
    if not job.results_kept:
        raise JobStateError(
            f"the results of job {job_id} were delivered and dropped: submit it again"
        )
    return job
