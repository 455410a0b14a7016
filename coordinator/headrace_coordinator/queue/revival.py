"""Failed and cancelled tasks run again. Pure transitions.

Many tasks are revived some at a time, in index order, so that other calls get their turn: each
transition returns the index at which to continue, or None if it was the last. A job does not end
meanwhile, even if everything that was revived so far is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import JobRevived, TaskRevived
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.state import QueueState
from headrace_wire.errors import JobStateError, UsageError
from headrace_wire.messages.jobs import CANCELLED

#: How many tasks one transition revives; this takes about ten milliseconds, including their part of
#: the commit.
REVIVED_AT_ONCE = 500


class Revival:
    """Transitions that let tasks wait again, with all their attempts."""

    def __init__(self, state: QueueState) -> None:
        self._state = state

    def retry(self, job_id: str, start: int, now: Now, most: int = REVIVED_AT_ONCE) -> int | None:
        """Let the tasks of a final job wait that are not done. ``start`` is 0 in the first call.

        Raises JobStateError if the job is still running, or if some of its inputs are missing.
        """
        job = self._state.find(job_id)
        if start:
            _require_begun(job)
        else:
            _require_retriable(job)
            if job.done.count == job.tasks:
                return None
            _require_inputs(job, [(0, job.tasks)])
            self._begin(job, now)
            job.is_retried = True
            self._state.emit(JobRevived(job_id, False, job.submitted_by))
        return self._go_on(job, self._revive_unfinished(job, start, most, now), now)

    def require_dead(self, job_id: str, indices: Sequence[int]) -> None:
        """Raise UsageError if one of these tasks is not dead, and JobStateError if it has no
        input.
        """
        job = self._state.find(job_id)
        for index in indices:
            if index not in job.dead:
                raise UsageError(
                    f"task {index} of job {job_id} is not dead: `headrace dead list {job_id}` "
                    "shows those that are"
                )
        _require_inputs(job, ((index, index + 1) for index in indices))

    def replay(
        self,
        job_id: str,
        chosen: RangeSet | None,
        start: int,
        now: Now,
        most: int = REVIVED_AT_ONCE,
    ) -> int | None:
        """Let dead tasks wait: those chosen, or all. ``start`` is 0 in the first call.

        The job may still be running. Raises JobStateError if it was ended early.
        """
        job = self._state.find(job_id)
        if start:
            _require_begun(job)
        else:
            if job.is_retried:
                raise JobStateError(f"job {job_id} is just being retried, with all its dead tasks")
            if not job.dead:
                return None
            _require_inputs(job, [] if job.dead.count > job.inputless.count else job.dead)
            is_whole = job.sealed and job.done.count + job.dead.count == job.tasks
            if job.is_final and not is_whole:
                raise JobStateError(
                    f"job {job_id} was cut short: `headrace retry {job_id}` runs all that is left"
                )
            self._begin(job, now)
            self._state.emit(JobRevived(job_id, True, job.submitted_by))
        found = (job.dead if chosen is None else chosen).take_from(start, job.tasks, most)
        for piece in found:
            for dead in job.dead.overlap(*piece):
                for left, right in job.inputless.missing(*dead):
                    self._forget_failures(job, left, right)
                    job.give_back(left, right, 0, now.monotonic)
        is_last = sum(right - left for left, right in found) < most
        return self._go_on(job, None if is_last else found[-1][1], now)

    def abandon(self, job_id: str, now: Now) -> None:
        """Let a job end again after its revival was interrupted.

        A job that was being retried is cancelled, because the rest of its tasks do not wait.
        """
        job = self._state.jobs.get(job_id)
        if job and job.reviving:
            if job.is_retried and not job.is_final:
                self._state.end(job, CANCELLED, now)
            self._end(job, now)

    def _begin(self, job: Job, now: Now) -> None:
        """Keep a job from ending; if it has ended, reopen it."""
        job.reviving += 1
        if not job.is_final:
            return
        job.reopen(now.at)
        job.waiting_since = job.heard = now.monotonic
        job.virtual_seconds = self._state.virtual_seconds
        self._state.set_deadline(job, now)

    def _go_on(self, job: Job, start: int | None, now: Now) -> int | None:
        self._state.offer(job)
        if start is None:
            self._end(job, now)
        else:
            self._state.change(job, now)
        return start

    def _end(self, job: Job, now: Now) -> None:
        """Let a job end again, unless another call is still reviving tasks of it."""
        job.reviving -= 1
        job.is_retried = False
        self._state.change(job, now)

    def _revive_unfinished(self, job: Job, start: int, most: int, now: Now) -> int | None:
        """Let some of a job's tasks wait that are not done, from ``start`` on."""
        for left, right in job.done.walk_missing(start, job.tasks):
            if most <= 0:
                return left
            dead = job.dead.take_from(left, right, most)
            taken = sum(last - first for first, last in dead)
            end = dead[-1][1] if taken == most else right
            for span in dead:
                self._forget_failures(job, *span)
            job.give_back(left, end, 0, now.monotonic)
            most -= taken + 1
            if end < right:
                return end
        return None

    def _forget_failures(self, job: Job, start: int, stop: int) -> None:
        job.dead.remove(start, stop)
        job.withdrawn.remove(start, stop)
        for index in range(start, stop):
            self._state.emit(TaskRevived(job.spec.id, index))


def _require_begun(job: Job) -> None:
    if job.is_final or not job.reviving:
        raise JobStateError(
            f"job {job.spec.id} is {job.state}: it ended before all of its tasks were revived"
        )


def _require_retriable(job: Job) -> None:
    if not job.is_final:
        raise JobStateError(
            f"job {job.spec.id} is {job.state}: only a job that has ended can be retried"
        )
    if job.reviving:
        raise JobStateError(f"job {job.spec.id} ended while its tasks were revived: try again")
    if not job.sealed:
        raise JobStateError(
            f"job {job.spec.id} was cut off while its inputs came in: submit it again"
        )


def _require_inputs(job: Job, tasks: Iterable[tuple[int, int]]) -> None:
    """Raise JobStateError if these tasks can no longer be run."""
    if job.broken:
        raise JobStateError(f"job {job.spec.id} cannot be run again: {job.broken}")
    if not job.inputless:
        return
    for start, stop in tasks:
        for index, _ in job.inputless.overlap(start, stop):
            raise JobStateError(
                f"task {index} of job {job.spec.id} cannot be run again, as its input is not kept "
                "any more: submit the job again"
            )
