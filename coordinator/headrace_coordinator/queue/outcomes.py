"""Outcomes arrive; the first accepted one of each task counts. Pure transitions."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.moment import Now
from headrace_coordinator.queue import events
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.job_log import LogPart, choose_newest, measure_lines
from headrace_coordinator.queue.leasing import Leasing
from headrace_coordinator.queue.members import HAND_BACK, Member
from headrace_coordinator.queue.retries import compute_pause_seconds, count_allowed
from headrace_coordinator.queue.state import QueueState
from headrace_wire.batch import check_batch, slice_batch
from headrace_wire.errors import ProtocolError
from headrace_wire.messages.failures import ERROR, REFUSED, WITHDRAWN, TaskFailure
from headrace_wire.messages.jobs import FAILED, SUCCEEDED
from headrace_wire.messages.logs import JobLines
from headrace_wire.messages.reports import DoneSpan, Receipt, Report


class Outcomes:
    """Transitions that reports cause."""

    def __init__(self, state: QueueState, leasing: Leasing) -> None:
        self._state = state
        self._leasing = leasing

    def report(self, report: Report, now: Now, key: str = "") -> Receipt:
        """Accept the report of a worker whose key has this name.

        Further outcomes of a task that has one are only counted, and so are those of tasks that
        were not leased to the worker. For leases that an earlier coordinator has granted, it sends
        their proofs. Raises ProtocolError and NotAllowedError; then nothing of the report has been
        accepted.
        """
        self._check(report)
        worker = report.worker
        member = self._state.find_member(worker, key)
        if member:
            member.heard = now.monotonic
        self._state.recall(report.held, worker, key)
        for logged in report.logs:
            job = self._state.jobs.get(logged.job)
            if job and (not key or worker in job.workers):
                self._keep_lines(job, logged, LogPart(worker, report.number))
        accepted, arrived = 0, len(report.failures)
        for run in report.done:
            arrived += run.stop - run.start
            if not self._state.was_granted(worker, key, run) or not self._state.met_needs(run):
                continue
            taken = self._accept_span(run, member.info.name if member else "", now)
            accepted += taken
            if member:
                member.done += taken
                member.cpu_seconds += run.cpu_seconds
        for failure in report.failures:
            accepted += self._accept_failure(failure, worker, member, now)
        for handed in report.returned:
            if not self._state.was_granted(worker, key, handed):
                continue
            self._leasing.hand_back(handed.lease, handed.start, handed.stop, now)
            self._withdraw_recalled(handed.job, handed.start, handed.stop, now)
        dropped = arrived - accepted
        if dropped:
            self._state.emit(events.OutcomesDropped(dropped))
        return Receipt(accepted, dropped)

    def withdraw(
        self, job_id: str, indices: Iterable[int], *, kill: bool, now: Now
    ) -> tuple[int, ...]:
        """Let tasks fail that their client no longer wants; running ones only with ``kill``.

        Returns those that are withdrawn, now or from before. Of the others, those that a worker
        holds are recalled: they are withdrawn if it returns them.
        """
        job = self._state.find(job_id)
        leased = job.find_leased()
        withdrawn: list[int] = []
        for index in indices:
            if index in job.withdrawn:
                withdrawn.append(index)
                continue
            if job.is_final or not 0 <= index < job.tasks or index in job.done or index in job.dead:
                continue
            if index not in leased:
                job.forget_waiting(index, index + 1)
            else:
                holders = [lease for lease in job.leases.values() if index in lease.held]
                if not kill:
                    self._recall(job, index, holders)
                    continue
                for lease in holders:
                    self._state.order(lease.worker, job_id, index)
                self._release(job, 0, index, index + 1)
            self._withdraw_task(job, index)
            withdrawn.append(index)
        if withdrawn:
            self._state.change(job, now)
        return tuple(withdrawn)

    def count_recalled(self, job_id: str) -> int:
        job = self._state.jobs.get(job_id)
        return job.recalled.count if job else 0

    def forget_recall(self, job_id: str, indices: Iterable[int]) -> tuple[int, ...]:
        """Stop recalling these tasks. Returns those that are withdrawn."""
        job = self._state.jobs.get(job_id)
        if job is None:
            return ()
        for index in indices if job.recalled else ():
            job.recalled.remove(index, index + 1)
        return tuple(index for index in indices if index in job.withdrawn)

    def lose_inputs(self, lease_id: int, lost: DamagedError, now: Now) -> None:
        """Let leased tasks fail whose inputs cannot be read; others of the lease wait again."""
        lease = self._state.leases.get(lease_id)
        if lease is None:
            return  # its job was deleted or cancelled meanwhile
        job = self._state.jobs[lease.job]
        message = f"its input in the coordinator's store {lost.reason}"
        for start, stop in lease.held.overlap(lost.start, lost.stop):
            self._release(job, lease_id, start, stop)
            for index in range(start, stop):
                self._state.declare_dead(job, index, ERROR, message, attempt=lease.attempt)
        self._leasing.hand_back(lease_id, lease.start, lease.stop, now)
        self._state.change(job, now)

    def lose_results(self, job_id: str, lost: DamagedError, now: Now) -> None:
        """Let tasks fail whose values cannot be read. They may be replayed if they have inputs."""
        job = self._state.find(job_id)
        if job.done.covers(lost.start, lost.stop) and not job.dropped.overlap(
            lost.start, lost.stop
        ):
            self._note_inputless(job, lost.start, lost.stop)
            job.done.remove(lost.start, lost.stop)
            job.undelivered.pop(lost.start, None)
            job.result_bytes -= lost.size_bytes
            self._state.count_kept(job, -lost.size_bytes)
            message = f"its value in the coordinator's store {lost.reason}"
            for index in range(lost.start, lost.stop):
                self._state.declare_dead(job, index, ERROR, message, attempt=1)
            if job.state == SUCCEEDED:
                job.state = FAILED
            self._state.change(job, now)
        self._state.emit(events.SpanLost(job_id, lost.start))

    def _note_inputless(self, job: Job, start: int, stop: int) -> None:
        """Note which of some done tasks no longer have an input."""
        if job.spec.carried:
            job.inputless.add(start, stop)
            for left, right, _ in job.chunks.touching(start, stop):
                if not job.done.covers(left, right):
                    job.inputless.remove(left, right)

    def _recall(self, job: Job, index: int, holders: Iterable[HeldLease]) -> None:
        job.recalled.add(index, index + 1)
        for lease in holders:
            if (HAND_BACK, None) not in self._state.members[lease.worker].orders:
                self._state.order(lease.worker, HAND_BACK)

    def _withdraw_recalled(self, job_id: str, start: int, stop: int, now: Now) -> None:
        job = self._state.jobs.get(job_id)
        if job is None or not job.recalled:
            return
        leased = job.find_leased()
        for left, right in job.recalled.overlap(start, stop):
            for index in range(left, right):
                decided = job.is_final or index in job.done or index in job.dead
                if index not in leased and not decided:
                    job.forget_waiting(index, index + 1)
                    self._withdraw_task(job, index)
            job.recalled.remove(left, right)
            self._state.change(job, now)

    def _withdraw_task(self, job: Job, index: int) -> None:
        job.withdrawn.add(index, index + 1)
        self._state.declare_dead(job, index, WITHDRAWN, "its client took it back", attempt=0)

    def _check(self, report: Report) -> None:
        for run in report.done:
            job = self._state.jobs.get(run.job)
            count = check_batch(run.values)
            if count != run.stop - run.start or count < 1:
                raise ProtocolError(f"{count} values arrived for tasks {run.start} to {run.stop}")
            if job and run.stop > job.tasks:
                raise ProtocolError(f"job {run.job} has no task {run.stop - 1}")
        for failure in report.failures:
            job = self._state.jobs.get(failure.job)
            if job and failure.index >= job.tasks:
                raise ProtocolError(f"job {failure.job} has no task {failure.index}")

    def _accept_span(self, run: DoneSpan, worker: str, now: Now) -> int:
        """Accept the new tasks of a span. Returns how many there are.

        Counters belong to a span as a whole: a span with counters is not accepted if some of its
        tasks already have an outcome. Its other tasks wait or are leased, and count when they are
        done.
        """
        job = self._state.jobs.get(run.job)
        if job is None or job.is_final:
            return 0
        lease = self._state.leases.get(run.lease)
        if lease and lease.job == run.job and lease.held.covers(run.start, run.stop):
            pieces = [(run.start, run.stop)]
        else:
            pieces = [
                piece
                for start, stop in job.done.missing(run.start, run.stop)
                for piece in job.dead.missing(start, stop)
            ]
        if run.counters:
            if pieces != [(run.start, run.stop)]:
                return 0
            self._count(job, run)
        for start, stop in pieces:
            values = slice_batch(run.values, start - run.start, stop - run.start)
            self._release(job, run.lease, start, stop)
            job.done.add(start, stop)
            job.bytes_out += len(values)
            job.result_bytes += len(values)
            job.learn_bytes(stop - start, len(values))
            if job.spec.owned:
                job.undelivered[start] = (stop, len(values))
            self._state.count_kept(job, len(values))
            self._state.emit(
                events.SpanDone(run.job, start, stop, values, job.spec.service, job.spec.operation)
            )
            self._drop_inputs(job, start, stop)
        tasks = sum(stop - start for start, stop in pieces)
        if tasks:
            job.learn_seconds(run, worker, lease.attempt if lease and lease.job == run.job else 0)
            job.times.add_span(run, tasks)
            job.recent.note(now.monotonic, job.done.count)
            job.cpu_seconds += run.cpu_seconds
            job.busy_seconds += run.busy_seconds
            self._state.change(job, now)
        return tasks

    def _count(self, job: Job, run: DoneSpan) -> None:
        spec = job.spec
        refused = job.count(run.counters)
        if refused and not job.counters_full:
            job.counters_full = True
            self._state.emit(events.CountersRefused(spec.id, refused))
        grown = {name: run.counters[name] for name in run.counters if name in job.counters}
        self._state.emit(events.Counted(spec.service, spec.operation, grown))

    def _keep_lines(self, job: Job, logged: JobLines, part: LogPart) -> None:
        """Keep what tasks logged. A repeated report changes nothing."""
        if part in job.log or not logged.lines:
            return
        lines = choose_newest(logged.lines)
        dropped = len(logged.lines) - len(lines)
        size_bytes = measure_lines(lines)
        job.log.add(part, len(lines), size_bytes)
        job.log.dropped += dropped
        trimmed = tuple(job.log.trim())
        self._state.emit(events.LinesLogged(logged.job, part, lines, size_bytes, trimmed))
        if trimmed or dropped:
            self._state.emit(events.JobChanged(logged.job))

    def _accept_failure(
        self, failure: TaskFailure, worker: str, member: Member | None, now: Now
    ) -> int:
        """Accept a failed attempt of a task that a worker holds under the named lease.

        Returns 0 or 1.

        A failure that is reported late, when the task is waiting again or on another worker, is not
        an outcome: the other attempt decides.
        """
        lease, index = self._state.leases.get(failure.lease), failure.index
        if lease is None or lease.job != failure.job or index not in lease.held:
            return 0
        if lease.worker != worker:
            return 0
        job = self._state.jobs[lease.job]
        if failure.detail and not self._state.members[lease.worker].meets_needs(job.spec):
            failure = replace(failure, detail=b"")  # its client would decode it
        if failure.reason == WITHDRAWN:  # only its client may say that
            failure = replace(failure, reason=ERROR)
        if failure.reason == REFUSED:
            if member and self._pass_to_others(job, lease, index, member, now):
                return 1
            failure = replace(failure, reason=ERROR)
        self._release(job, failure.lease, index, index + 1)
        job.cpu_seconds += failure.cpu_seconds
        job.busy_seconds += failure.busy_seconds
        if failure.busy_seconds:  # if it was lost or could not start, its time is not known
            job.times.add(failure.busy_seconds)
        self._state.emit(events.AttemptFailed(job.spec.service, job.spec.operation, failure.reason))
        if lease.attempt >= count_allowed(job.spec, failure.reason):
            self._state.accept_death(job, failure)
        else:
            self._retry(job, lease, failure, now)
        if member:
            member.failed += 1
            member.cpu_seconds += failure.cpu_seconds
        self._state.change(job, now)
        return 1

    def _retry(self, job: Job, lease: HeldLease, failure: TaskFailure, now: Now) -> None:
        """Let a task run again after a pause, and store how often it was attempted."""
        index = failure.index
        pause = compute_pause_seconds(job.spec, lease.attempt, index, failure.reason)
        counted = events.AttemptsCounted(
            failure.job,
            index,
            index + 1,
            lease.attempt,
            lost=lease.alone,
            service=job.spec.service,
            operation=job.spec.operation,
        )
        self._state.emit(counted)
        job.delayed.add(now.monotonic + pause, index, lease.attempt)
        self._state.paused[job.spec.id] = job
        self._leasing.promote_delayed(now)
        if job.delayed and job.delayed.first()[1] == index:
            self._state.emit(events.MomentSet(job.delayed.first()[0]))

    def _pass_to_others(
        self, job: Job, lease: HeldLease, index: int, member: Member, now: Now
    ) -> bool:
        """Let a task wait for workers that may run it, without counting the attempt. Return False
        if there are none.
        """
        member.refused.add(job.spec.id)
        if not self._state.is_for_others(job, member):
            return False
        self._release(job, lease.id, index, index + 1)
        attempts = lease.attempt - 1
        job.give_back(index, index + 1, attempts, now.monotonic, lost=lease.alone)
        self._state.offer(job)
        return True

    def _release(self, job: Job, lease_id: int, start: int, stop: int) -> None:
        """Remove tasks from wherever they are: in the named lease, in others, or waiting."""
        lease = self._state.leases.get(lease_id)
        if lease and lease.job == job.spec.id and lease.held.covers(start, stop):
            holders = [lease]
        else:
            job.forget_waiting(start, stop)
            holders = [held for held in job.leases.values() if held.held.overlap(start, stop)]
        for holder in holders:
            before = holder.held.count
            holder.held.remove(start, stop)
            job.leased -= before - holder.held.count
            if not holder.held:
                self._state.drop_lease(holder)
        self._state.count_expected(job)

    def _drop_inputs(self, job: Job, start: int, stop: int) -> None:
        for chunk_start, chunk_stop, size_bytes in job.chunks.touching(start, stop):
            if job.done.covers(chunk_start, chunk_stop):
                self._state.count_kept(job, -size_bytes)
                self._state.emit(events.InputsDropped(job.spec.id, chunk_start, size_bytes))
        job.chunks.forget_before(job.done.next_missing(0))
