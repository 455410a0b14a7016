"""The result queue as it is served: reports come in, results go out.

Methods that wait, for a commit or for news, are generators of the loop's steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from headrace_coordinator.bells import Bells
from headrace_coordinator.commit import Committer
from headrace_coordinator.ledger import Ledger
from headrace_coordinator.queue import Queue
from headrace_coordinator.ranges import RangeSet
from headrace_coordinator.state import Now
from headrace_coordinator.topics import name_job_topic, name_log_topic
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.errors import JobStateError
from headrace_wire.loop import Answer
from headrace_wire.messages import (
    Fetched,
    FetchRequest,
    JobStatus,
    LogPage,
    LogRequest,
    Receipt,
    Report,
    ResultRun,
    Sample,
    TaskFailure,
)

#: Bytes of values in one answer; a single run may be larger.
MAX_FETCH_BYTES = 32 << 20

#: Bytes of log lines in one answer; those of a single report may be more.
MAX_LOG_BYTES = 1 << 20

#: Failures in one answer.
MAX_FAILURES = 1000


class ResultQueue:
    """Serves ``headrace_wire.api.ResultQueueApi``, in the loop's thread.

    ``on_samples(worker, number, samples)`` is told of each report after its commit.
    """

    def __init__(
        self,
        ledger: Ledger,
        commit: Committer,
        bells: Bells,
        on_samples: Callable[[str, int, Sequence[Sample]], None],
    ) -> None:
        self._ledger = ledger
        self._commit = commit
        self._bells = bells
        self._on_samples = on_samples

    def report(self, report: Report) -> Answer[Receipt]:
        receipt: Receipt = yield from self._commit(
            lambda queue, now: queue.outcomes.report(report, now)
        )
        self._on_samples(report.worker, report.number, report.samples)
        return receipt

    def fetch(self, request: FetchRequest) -> Answer[Fetched]:
        topic = name_job_topic(request.job)
        begun = time.monotonic()
        deadline = begun + min(request.wait_seconds, MAX_WAIT_SECONDS)
        gathered = min(deadline, begun + request.gather_seconds)
        while True:
            rung = self._bells.count(topic)
            if self._may_gather(request, gathered):
                yield self._bells.wait(topic, rung, gathered)
                continue
            fetched = self._look(request)
            moved = fetched.status.done + fetched.status.failed != request.seen
            if fetched.runs or fetched.failures or fetched.complete or moved:
                return fetched
            if not (yield self._bells.wait(topic, rung, deadline)):
                return fetched

    def failures(self, job: str, offset: int, limit: int) -> tuple[TaskFailure, ...]:
        self._ledger.observe(lambda queue, _: queue.state.find(job))
        return self._ledger.store.reader.read_failures(job, offset, min(limit, MAX_FAILURES))

    def logs(self, request: LogRequest) -> Answer[LogPage]:
        topic = name_log_topic(request.job)
        deadline = time.monotonic() + min(request.wait_seconds, MAX_WAIT_SECONDS)
        while True:
            rung = self._bells.count(topic)
            page = self._look_at_log(request)
            if page.lines or page.complete or not (yield self._bells.wait(topic, rung, deadline)):
                return page

    def acknowledge(self, job: str) -> Answer[None]:
        yield from self._commit(lambda queue, _: queue.intake.acknowledge(job))

    def _may_gather(self, request: FetchRequest, until: float) -> bool:
        """Tell whether more results should come before there is an answer."""

        def look(queue: Queue, now: Now) -> bool:
            queue.intake.deliver(request.job, request.delivered, now)
            job = queue.state.find(request.job)
            return not job.is_final and job.result_bytes < request.max_bytes

        return time.monotonic() < until and not self._bells.closed and self._ledger.observe(look)

    def _look_at_log(self, request: LogRequest) -> LogPage:
        def look(queue: Queue, _: Now) -> tuple[bool, int]:
            job = queue.state.find(request.job)
            return job.is_final, job.log.dropped

        final, dropped = self._ledger.observe(look)
        reader = self._ledger.store.reader
        lines, cursor = reader.read_lines_after(request.job, request.cursor, MAX_LOG_BYTES)
        return LogPage(lines, cursor, dropped, final and not lines)

    def _look(self, request: FetchRequest) -> Fetched:
        def look(queue: Queue, now: Now) -> tuple[JobStatus, RangeSet]:
            queue.intake.deliver(request.job, request.delivered, now)
            job = queue.state.find(request.job)
            # A copy, because it is read outside of the lock; failures are few.
            skipped = RangeSet([*job.dead, *job.dropped])
            if job.is_final:  # of a cancelled job, what is missing will not come
                for start, stop in job.done.missing(0, job.tasks):
                    skipped.add(start, stop)
            return queue.intake.status(request.job, now), skipped

        status, skipped = self._ledger.observe(look)
        if not status.results_kept:
            raise JobStateError(
                f"the results of job {request.job} were delivered and dropped: submit it again"
            )
        reader, size = self._ledger.store.reader, min(request.max_bytes, MAX_FETCH_BYTES)
        runs: list[ResultRun]
        if request.ordered:
            runs, cursor = reader.read_results_from(request.job, request.cursor, size, skipped)
            complete = status.finished_at is not None and cursor >= status.tasks
        else:
            found, cursor = reader.read_results_after(request.job, request.cursor, size)
            runs = [run for run in found if run.start not in skipped]  # not delivered before
            complete = status.finished_at is not None and not found
        failures: tuple[TaskFailure, ...] = ()
        last = request.failure_cursor or 0
        if request.failure_cursor is not None and status.failed:
            failures, last = reader.read_failures_after(request.job, last, MAX_FAILURES)
            complete = complete and not failures
        return Fetched(status, tuple(runs), cursor, complete, failures, last)
