"""Jobs are submitted, queried, stopped and deleted, and they expire. Pure transitions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from math import inf

from msgspec.structs import replace

from headrace_coordinator.moment import Now
from headrace_coordinator.queue import events
from headrace_coordinator.queue.choosing import EVERY_JOB, choose_jobs
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.spool import Spool
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.queue.task_runs import sum_up_runs
from headrace_coordinator.queue.waiting import Waiting
from headrace_coordinator.shares import share_of
from headrace_wire.api import IDS_MATCHED
from headrace_wire.batch import check_batch
from headrace_wire.bounds import MAX_ALL_PARAMETER_BYTES, MAX_JOBS, MAX_TASKS
from headrace_wire.errors import (
    JobIncompleteError,
    JobStateError,
    ServiceMissingError,
    UnknownJobError,
    UsageError,
)
from headrace_wire.messages.job_views import PastJob
from headrace_wire.messages.jobs import (
    CANCELLED,
    DATA_SERVICE,
    FAILED,
    KEEP_FOR,
    JobFilter,
    JobSpec,
    JobStatus,
)
from headrace_wire.messages.spans import Span
from headrace_wire.words import count

#: After how many seconds without a request of its client an unsealed or owned job is deleted.
ABANDONED_SECONDS = 120.0


#: How many runs of tasks are kept of a job that has expired.
RUNS_KEPT = 500

#: How many jobs are deleted in one tick, so that others get their turn.
EXPIRED_AT_ONCE = 20


class TooEarlyError(JobStateError):
    """Inputs before these have not arrived yet. The served queue waits for them."""


class Intake:
    """Transitions that clients request, or that follow if they request nothing."""

    def __init__(self, state: QueueState, spool: Spool, result_ttl_seconds: float) -> None:
        self._state = state
        self._spool = spool
        self._result_ttl_seconds = result_ttl_seconds

    def submit(self, spec: JobSpec, now: Now, by: str = "") -> JobStatus:
        """Accept a job from a client whose key has this name. The same id again is the same job.

        Raises UsageError, ServiceMissingError if workers are connected but none could run it, and
        SpoolFullError.
        """
        known = self._state.jobs.get(spec.id)
        if known:
            if known.spec != spec:
                raise UsageError(f"job id {spec.id!r} is taken by another job")
            return self.status(spec.id, now)
        self._require_place(spec, by)
        if spec.service == DATA_SERVICE and spec.operation.startswith(KEEP_FOR):
            self._state.find(spec.operation.removeprefix(KEEP_FOR)).heard = now.monotonic
        self._require_service(spec.service)
        self._spool.require_room()
        job = Job(
            spec=spec,
            submitted_at=now.at,
            submitted_by=by,
            virtual_seconds=self._state.virtual_seconds,
            waiting_since=now.monotonic,
            heard=now.monotonic,
        )
        self._state.set_deadline(job, now)
        self._state.add(job)
        self._state.emit(events.JobSubmitted(spec, now.at, by))
        if spec.tasks is not None:
            job.tasks = spec.tasks
            job.sealed = True
            job.fresh.add(0, spec.tasks)
            self._state.offer(job)
        self._state.change(job, now)
        return self.status(spec.id, now)

    def put(self, job_id: str, start: int, inputs: bytes, now: Now) -> int:
        """Add a batch of inputs. Returns the index that comes next.

        A repeated batch changes nothing. Raises TooEarlyError if inputs before these have not
        arrived yet, JobStateError, ProtocolError, and SpoolFullError.
        """
        job = self._state.find(job_id)
        stop = start + check_batch(inputs)
        job.heard = now.monotonic
        if owner := self._state.jobs.get(job.owner):
            owner.heard = now.monotonic
        if job.is_final:
            raise _explain_end(job, "it takes no more inputs")
        if stop <= job.tasks and start < stop:
            return job.tasks
        if stop > MAX_TASKS:
            raise UsageError(f"a job has 0 to {MAX_TASKS} tasks, not {stop}")
        if job.sealed or not job.spec.carried or start != job.tasks:
            is_early = start > job.tasks and job.spec.carried and not job.sealed
            raise (TooEarlyError if is_early else JobStateError)(
                f"job {job_id} has {count(job.tasks, 'task')}: none can begin at {start}"
            )
        self._spool.require_room(job, len(inputs))
        job.tasks = stop
        job.give_back(start, stop, 0, now.monotonic)
        job.chunks.append(start, stop, len(inputs))
        job.bytes_in += len(inputs)
        self._state.count_kept(job, len(inputs))
        self._state.emit(events.InputsPut(job_id, start, stop, inputs))
        self._state.offer(job)
        self._state.change(job, now)
        return stop

    def require_data(self, job_id: str) -> None:
        """Raise UnknownJobError if there is no job with this id that keeps data."""
        job = self._state.find(job_id)
        if not job.keeps_data:
            raise UnknownJobError(f"job {job_id} keeps no data for others")

    def seal(self, job_id: str, tasks: int, now: Now) -> JobStatus:
        """Mark a job as complete. Raises JobStateError if it has another number of tasks."""
        job = self._state.find(job_id)
        if job.tasks != tasks:
            raise JobStateError(f"job {job_id} has {count(job.tasks, 'task')}, not {tasks}")
        if not job.sealed:
            if job.is_final:
                raise _explain_end(job, "it was not whole yet")
            job.sealed = True
            self._state.change(job, now)
        return self.status(job_id, now)

    def status(self, job_id: str, now: Now, *, with_parameters: bool = True) -> JobStatus:
        job = self._state.find(job_id)
        parameters = None if with_parameters else b""
        waiting = Waiting(self._state, self._spool)
        return job.status(now, waiting.explain(job), parameters=parameters)

    def list_jobs(
        self,
        before: float,
        most: int,
        now: Now,
        *,
        data: bool = False,
        chosen: JobFilter = EVERY_JOB,
        by: str | None = None,
    ) -> tuple[JobStatus, ...]:
        """Return jobs with numbers below ``before``, the newest first, without their parameters.

        Jobs that keep data for others are included if ``data``. With ``by``, only jobs that were
        submitted with the key of this name are.
        """
        most = min(most, chosen.limit or most)
        listed = choose_jobs(reversed(self._state.jobs.values()), chosen, before, by, data=data)
        waiting = Waiting(self._state, self._spool)
        return tuple(
            job.status(now, waiting.explain(job), parameters=b"") for job in islice(listed, most)
        )

    def count_jobs(self, chosen: JobFilter, by: str | None = None) -> int:
        """Return how many jobs there are to list, without those that keep data."""
        if chosen == EVERY_JOB and by is None:
            return len(self._state.jobs) - self._state.data_jobs
        return sum(1 for _ in choose_jobs(self._state.jobs.values(), chosen, inf, by))

    def match(self, start: str, by: str | None = None) -> list[str]:
        """Return the ids of the newest jobs that begin with ``start``, or only the job with this
        id.

        With ``by``, only jobs that were submitted with the key of this name are considered.
        """
        jobs = self._state.jobs
        if start in jobs and by in (None, jobs[start].submitted_by):
            return [start]
        alike = (
            id_
            for id_ in reversed(jobs)
            if id_.startswith(start)
            and not jobs[id_].keeps_data
            and by in (None, jobs[id_].submitted_by)
        )
        return list(islice(alike, IDS_MATCHED))

    def cancel(self, job_id: str, now: Now) -> JobStatus:
        """Stop a job. Finished tasks keep their results. A final job is not changed."""
        job = self._state.find(job_id)
        if not job.is_final:
            self._state.end(job, CANCELLED, now)
        return self.status(job_id, now)

    def deliver(self, job_id: str, spans: Iterable[Span], now: Now) -> None:
        """Note that the client of an owned job is alive and has the values of these spans."""
        job = self._state.find(job_id)
        job.heard = now.monotonic
        starts: list[int] = []
        freed = 0
        for span in spans:
            stop, size_bytes = job.undelivered.get(span.start, (None, 0))
            if stop is not None and stop == span.stop:
                del job.undelivered[span.start]
                job.dropped.add(span.start, stop)
                job.result_bytes -= size_bytes
                starts.append(span.start)
                freed += size_bytes
        if starts:
            self._state.count_kept(job, -freed)
            delivered = events.SpansDelivered(job_id, tuple(starts), freed, tuple(job.dropped))
            self._state.emit(delivered)

    def delete(self, job_id: str) -> None:
        """Delete a job and the data that belongs to it; its running tasks are stopped.

        It is no error if the job is unknown.
        """
        job = self._state.jobs.get(job_id)
        if job:
            for data in list(job.data):
                self.delete(data)
            self._state.stop_leases(job)
            self._state.count_kept(job, -job.spool_bytes)
            self._state.forget(job)
            deleted = events.JobDeleted(job_id, job.submitted_by, job.keeps_data)
            self._state.emit(deleted)

    def drop_summary(self, job_id: str) -> None:
        """Delete the summary of a job that has expired."""
        if job_id not in self._state.jobs:
            self._state.emit(events.SummaryDropped(job_id))

    def acknowledge(self, job_id: str) -> None:
        """Drop the results of a final job, which are safe elsewhere. Raises JobStateError."""
        job = self._state.find(job_id)
        if not job.is_final:
            raise JobStateError(f"job {job_id} is {job.state}: its results are not complete")
        if job.results_kept:
            job.results_kept = False
            for start, stop in job.done:
                job.dropped.add(start, stop)
            self._state.count_kept(job, -job.result_bytes)
            job.result_bytes = 0
            job.undelivered.clear()
            self._state.emit(events.ResultsDropped(job_id, tuple(job.dropped)))

    def expire(self, now: Now) -> None:
        """End jobs whose deadline has passed, and delete jobs that nobody has requested for
        long.
        """
        expired = 0
        for job in list(self._state.jobs.values()):
            if self._find_deadline(job) > now.monotonic:
                continue
            is_abandoned = job.has_owner and job.heard + ABANDONED_SECONDS <= now.monotonic
            if not (is_abandoned or job.is_final):
                because = f"its deadline of {job.spec.deadline_seconds:g} s passed"
                self._state.end(job, FAILED, now, because)
                continue
            if not is_abandoned:
                self._state.emit(_tell_expiry(job, now))
            self.delete(job.spec.id)
            expired += 1
            if expired >= EXPIRED_AT_ONCE:
                break

    def next_deadline(self) -> float:
        """Return the monotonic time at which something is due next, infinity for never."""
        return min(map(self._find_deadline, self._state.jobs.values()), default=inf)

    def _find_deadline(self, job: Job) -> float:
        """Return when something is due for a job, infinity for never."""
        deadline = inf if job.deadline is None else job.deadline
        if job.ended is not None:
            deadline = max(job.ended, job.heard) + self._result_ttl_seconds
        return min(deadline, job.heard + ABANDONED_SECONDS) if job.has_owner else deadline

    def _require_place(self, spec: JobSpec, by: str) -> None:
        """Raise UsageError if there are as many jobs as the coordinator keeps in memory, for one
        key or for all of them.
        """
        if len(self._state.jobs) >= MAX_JOBS:
            raise UsageError(
                f"the coordinator keeps {MAX_JOBS} jobs and no more: delete some that have ended"
            )
        if self._state.parameter_bytes + len(spec.parameters) > MAX_ALL_PARAMETER_BYTES:
            raise UsageError(
                f"the parameters of all jobs take {self._state.parameter_bytes} bytes of the "
                f"{MAX_ALL_PARAMETER_BYTES} that the coordinator keeps: delete some that have ended"
            )
        state, more = self._state, len(spec.parameters)
        if (
            state.jobs_by_key[by] >= share_of(MAX_JOBS, by)
            or state.parameter_bytes_by_key[by] + more > share_of(MAX_ALL_PARAMETER_BYTES, by)
        ):  # fmt: skip
            raise UsageError(
                f"the key {by!r} has {state.jobs_by_key[by]} jobs with "
                f"{state.parameter_bytes_by_key[by]} bytes of parameters, and the rest of what the "
                "coordinator keeps is for other keys: delete some that have ended"
            )

    def _require_service(self, service: str) -> None:
        members = self._state.members.values()
        if service == DATA_SERVICE:
            return  # no worker runs it
        if members and not any(service in member.services for member in members):
            offered = sorted({name for member in members for name in member.services})
            raise ServiceMissingError(
                f"no connected worker offers the service {service!r} (they offer "
                f"{', '.join(offered)}): start a worker that has it"
            )


def _tell_expiry(job: Job, now: Now) -> events.JobExpired:
    """Return the event for an expired job, with its summary if it is not only data."""
    summary = None
    if not job.keeps_data:
        status = replace(job.status(now, "", parameters=b""), results_kept=False, expired=True)
        runs = sum_up_runs(job, RUNS_KEPT)
        summary = PastJob(status=status, times=job.times.show(), runs=runs)
    ended = now.monotonic if job.ended is None else job.ended
    return events.JobExpired(job.spec.id, job.result_bytes, job.submitted_by, summary, ended)


def _explain_end(job: Job, consequence: str) -> JobStateError:
    """Return the error for a job that ended before all of its inputs were there, with the
    reason.
    """
    if job.ended_because:
        # The request was correct, and time ran out: that is a failure, and not an error of usage.
        return JobIncompleteError(
            f"job {job.spec.id} is {job.state}, as {job.ended_because} "
            f"before all of its inputs were there: {consequence}"
        )
    return JobStateError(f"job {job.spec.id} is {job.state}: {consequence}")
