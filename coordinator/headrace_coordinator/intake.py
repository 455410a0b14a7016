"""Jobs come in, are looked at, stopped, tried again and forgotten. Pure transitions."""

from __future__ import annotations

from headrace_coordinator.events import (
    InputsPut,
    JobDeleted,
    JobSubmitted,
    ResultsDropped,
    TaskRevived,
    WorkAppeared,
)
from headrace_coordinator.job import Job
from headrace_coordinator.ranges import RangeSet
from headrace_coordinator.state import Now, QueueState
from headrace_wire.batch import count_batch
from headrace_wire.errors import JobStateError, ProtocolError, ServiceMissingError, UsageError
from headrace_wire.messages import CANCELLED, QUEUED, JobSpec, JobStatus

#: Tasks in one job: indices cross the wire and lie in the store as signed 64-bit integers.
MAX_TASKS = 1 << 62

#: Seconds without a word from its client after which an unsealed job is forgotten.
UNSEALED_SECONDS = 120.0


class Intake:
    """Transitions that clients ask for."""

    def __init__(self, state: QueueState) -> None:
        self._state = state

    def submit(self, spec: JobSpec, now: Now) -> JobStatus:
        """Take a job in; the same id again is the same job.

        Raises UsageError, and ServiceMissingError when workers are there but none could do it.
        """
        known = self._state.jobs.get(spec.id)
        if known:
            if known.spec != spec:
                raise UsageError(f"job id {spec.id!r} is taken by another job")
            return self.status(spec.id, now)
        if not 0 <= (spec.tasks or 0) <= MAX_TASKS:
            raise UsageError(f"a job has 0 to {MAX_TASKS} tasks, not {spec.tasks}")
        self._require_service(spec.service)
        job = Job(
            spec=spec,
            submitted_at=now.at,
            virtual_seconds=self._state.virtual_seconds,
            waiting_since=now.monotonic,
            heard=now.monotonic,
        )
        self._state.jobs[spec.id] = job
        self._state.events.append(JobSubmitted(spec, now.at))
        if spec.tasks is not None:
            job.tasks = spec.tasks
            job.sealed = True
            job.fresh.add(0, spec.tasks)
            self._state.events.append(WorkAppeared())
        self._state.change(job, now)
        return self.status(spec.id, now)

    def put(self, job_id: str, start: int, inputs: bytes, now: Now) -> int:
        """Add a batch of inputs. Returns the index that comes next.

        A repeated batch changes nothing. Raises JobStateError, ProtocolError.
        """
        job = self._state.find(job_id)
        try:
            stop = start + count_batch(inputs)
        except ValueError as error:
            raise ProtocolError(str(error)) from None
        job.heard = now.monotonic
        if job.is_final:
            raise JobStateError(f"job {job_id} is {job.state}: it takes no more inputs")
        if stop <= job.tasks and start < stop:
            return job.tasks
        if job.sealed or not job.spec.carried or start != job.tasks:
            raise JobStateError(f"job {job_id} has {job.tasks} tasks: none can begin at {start}")
        job.tasks = stop
        job.give_back(start, stop, 0, now.monotonic)
        job.chunks.append(start, stop, len(inputs))
        job.bytes_in += len(inputs)
        self._state.events += [InputsPut(job_id, start, stop, inputs), WorkAppeared()]
        self._state.change(job, now)
        return stop

    def seal(self, job_id: str, tasks: int, now: Now) -> JobStatus:
        """Say that a job is whole. Raises JobStateError when it has another number of tasks."""
        job = self._state.find(job_id)
        if job.tasks != tasks:
            raise JobStateError(f"job {job_id} has {job.tasks} tasks, not {tasks}")
        if not job.sealed:
            if job.is_final:
                raise JobStateError(f"job {job_id} is {job.state}")
            job.sealed = True
            self._state.change(job, now)
        return self.status(job_id, now)

    def status(self, job_id: str, now: Now) -> JobStatus:
        """A job as it stands."""
        job = self._state.find(job_id)
        return job.status(now.at, self._explain_waiting(job))

    def touch(self, job_id: str, now: Now) -> None:
        """Note that the client of an unsealed job is still there."""
        self._state.find(job_id).heard = now.monotonic

    def cancel(self, job_id: str, now: Now) -> JobStatus:
        """Stop a job; what is done stays done. A final job stays as it is."""
        job = self._state.find(job_id)
        if not job.is_final:
            self._state.stop_leases(job)
            job.clear_unfinished()
            job.state = CANCELLED
            job.finished_at = now.at
            self._state.change(job, now)
        return self.status(job_id, now)

    def retry(self, job_id: str, now: Now) -> JobStatus:
        """Let the failed and cancelled tasks of a final job wait again, with fresh attempts.

        Raises JobStateError when the job still runs, or when its inputs never came whole.
        """
        job = self._state.find(job_id)
        if not job.is_final:
            raise JobStateError(
                f"job {job_id} is {job.state}: only a job that has ended can be retried"
            )
        if not job.sealed:
            raise JobStateError(
                f"job {job_id} was cut off while its inputs came in: submit it again"
            )
        unfinished = job.done.missing(0, job.tasks)
        if not unfinished:
            return self.status(job_id, now)
        for start, stop in job.dead:
            self._state.events += [TaskRevived(job_id, index) for index in range(start, stop)]
        job.dead = RangeSet()
        for start, stop in unfinished:
            job.fresh.add(start, stop)
        job.state = QUEUED
        job.started_at = job.finished_at = None
        job.results_kept = True
        job.waiting_since = now.monotonic
        job.virtual_seconds = self._state.virtual_seconds
        self._state.events.append(WorkAppeared())
        self._state.change(job, now)
        return self.status(job_id, now)

    def delete(self, job_id: str) -> None:
        """Forget a job; running tasks of it are stopped. An unknown one is forgotten already."""
        job = self._state.jobs.get(job_id)
        if job:
            self._state.stop_leases(job)
            del self._state.jobs[job_id]
            self._state.events.append(JobDeleted(job_id))

    def acknowledge(self, job_id: str) -> None:
        """Drop the results of a final job: they are safe elsewhere. Raises JobStateError."""
        job = self._state.find(job_id)
        if not job.is_final:
            raise JobStateError(f"job {job_id} is {job.state}: its results are not complete")
        if job.results_kept:
            job.results_kept = False
            self._state.events.append(ResultsDropped(job_id))

    def forget_abandoned(self, now: Now) -> None:
        """Delete unsealed jobs whose client has been silent: they were never whole."""
        for job_id, job in list(self._state.jobs.items()):
            if not job.sealed and now.monotonic - job.heard > UNSEALED_SECONDS:
                self.delete(job_id)

    def _require_service(self, service: str) -> None:
        members = self._state.members.values()
        if members and not any(service in member.services for member in members):
            offered = sorted({name for member in members for name in member.services})
            raise ServiceMissingError(
                f"no connected worker offers the service {service!r} (they offer "
                f"{', '.join(offered)}): install it on a worker and restart that worker"
            )

    def _explain_waiting(self, job: Job) -> str:
        if job.is_final or job.leases or not job.has_work():
            return ""
        members = self._state.members.values()
        if not members:
            return "no worker is connected"
        if not any(job.spec.service in member.services for member in members):
            return f"no connected worker offers {job.spec.service!r}"
        busy = sum(len(member.leases) for member in members)
        return "every slot is busy with other jobs" if busy >= self._state.count_slots() else ""
