"""Failed and cancelled tasks run again. Pure transitions.

    begin ─► go_on, go_on, … ─► end      some tasks at a time, so that others get their turn between

A job does not end meanwhile, even if what ran so far is done. Tasks are taken in index order; what
lies behind is left alone, whatever becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import TaskRevived
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.state import QueueState
from headrace_wire.errors import JobStateError, UsageError
from headrace_wire.messages import QUEUED

#: Tasks of one transition of many: about ten milliseconds, with their part of the commit.
REVIVED_AT_ONCE = 500


class Revival:
    """``set_deadline`` is told of a job that begins anew."""

    def __init__(self, state: QueueState, set_deadline: Callable[[Job, Now], None]) -> None:
        self._state = state
        self._set_deadline = set_deadline

    def is_small(self, job_id: str) -> bool:
        """Tell whether all that could run again of a job can do so in one transition."""
        job = self._state.find(job_id)
        return max(job.dead.count, len(job.done)) <= REVIVED_AT_ONCE

    def begin_retry(self, job_id: str, now: Now) -> bool:
        """Open a final job again, of which all is to run that is not done. False: all is done.

        Raises JobStateError when the job still runs, or when its inputs are not all there.
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
        if job.done.count == job.tasks:
            return False
        _require_inputs(job, [(0, job.tasks)])
        self._reopen(job, now)
        job.reviving += 1
        job.is_retried = True
        return True

    def retry(self, job_id: str, cursor: int, most: int, now: Now) -> int:
        """Let tasks from ``cursor`` on wait that are not done. Returns where to go on."""
        job = self._find_open(job_id)
        for start, stop in list(islice(job.done.walk_missing(cursor, job.tasks), most)):
            if most <= 0:
                return start
            dead = job.dead.take_from(start, stop, most)
            taken = sum(right - left for left, right in dead)
            end = dead[-1][1] if taken == most else stop
            self._forget_failures(job, dead)
            job.give_back(start, end, 0, now.monotonic)
            self._state.offer(job)
            cursor, most = end, most - taken - 1
            if end < stop:
                return end
        return cursor if most <= 0 else job.tasks

    def choose(self, job_id: str, indices: Sequence[int]) -> RangeSet:
        """These tasks, all of which are dead. Raises UsageError for one that is not."""
        job = self._state.find(job_id)
        for index in indices:
            if index not in job.dead:
                raise UsageError(
                    f"task {index} of job {job_id} is not dead: `headrace dead list {job_id}` "
                    "shows those that are"
                )
        chosen = RangeSet((index, index + 1) for index in indices)
        _require_inputs(job, chosen)
        return chosen

    def begin_replay(self, job_id: str, now: Now) -> bool:
        """Open a job again, if it has ended, of which dead tasks are to run. False: none is dead.

        Raises JobStateError for one that was cut short.
        """
        job = self._state.find(job_id)
        if job.is_retried:
            raise JobStateError(f"job {job_id} is just being retried, with all its dead tasks")
        if not job.dead:
            return False
        _require_inputs(job, [] if job.dead.count > job.inputless.count else job.dead)
        if job.is_final:
            if job.done.count + job.dead.count < job.tasks or not job.sealed:
                raise JobStateError(
                    f"job {job_id} was cut short: `headrace retry {job_id}` runs all that is left"
                )
            self._reopen(job, now)
        job.reviving += 1
        return True

    def replay(self, job_id: str, tasks: Iterable[tuple[int, int]], now: Now) -> None:
        """Let these of its tasks wait again, as far as they are dead."""
        job = self._find_open(job_id)
        for start, stop in tasks:
            for left, right in job.dead.overlap(start, stop):
                self._forget_failures(job, [(left, right)])
                job.give_back(left, right, 0, now.monotonic)
        self._state.offer(job)
        self._state.change(job, now)

    def find_dead(self, job_id: str, cursor: int, most: int) -> list[tuple[int, int]]:
        """Dead tasks from ``cursor`` on that can run again, up to so many."""
        job = self._state.find(job_id)
        found: list[tuple[int, int]] = []
        while not found and cursor < job.tasks:
            dead = job.dead.take_from(cursor, job.tasks, most)
            found = dead
            if job.inputless:
                found = [piece for run in dead for piece in job.inputless.missing(*run)]
            cursor = dead[-1][1] if dead else job.tasks
        return found

    def end(self, job_id: str, now: Now) -> None:
        """Let a job end again."""
        job = self._state.jobs.get(job_id)
        if job and job.reviving:
            job.reviving -= 1
            job.is_retried = False
            self._state.change(job, now)

    def _find_open(self, job_id: str) -> Job:
        job = self._state.find(job_id)
        if job.is_final:
            raise JobStateError(f"job {job_id} is {job.state}: it ended before all tasks waited")
        return job

    def _forget_failures(self, job: Job, tasks: Iterable[tuple[int, int]]) -> None:
        for start, stop in tasks:
            job.dead.remove(start, stop)
            if job.withdrawn:
                job.withdrawn.remove(start, stop)
            for index in range(start, stop):
                self._state.emit(TaskRevived(job.spec.id, index))

    def _reopen(self, job: Job, now: Now) -> None:
        job.state = QUEUED
        job.started_at = job.finished_at = job.ended = None
        job.ended_because = ""
        job.results_kept = True
        job.waiting_since = job.heard = now.monotonic
        job.virtual_seconds = self._state.virtual_seconds
        self._set_deadline(job, now)


def _require_inputs(job: Job, tasks: Iterable[tuple[int, int]]) -> None:
    """Raise JobStateError where these tasks cannot be run any more."""
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
