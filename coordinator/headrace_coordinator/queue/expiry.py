"""What happens to jobs as time passes: deadlines end them, results expire. Pure transitions."""

from __future__ import annotations

from math import inf

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.client_requests import Intake
from headrace_coordinator.queue.events import JobExpired
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.state import QueueState
from headrace_wire.messages import FAILED

#: Seconds without a word from its client after which an unsealed or owned job is forgotten.
ABANDONED_SECONDS = 120.0


class Expiry:
    """Ends jobs whose deadline has passed, and forgets those that nobody asks for."""

    def __init__(self, state: QueueState, intake: Intake, result_ttl_seconds: float) -> None:
        self._state = state
        self._intake = intake
        self._result_ttl_seconds = result_ttl_seconds

    def apply(self, now: Now) -> None:
        for job in list(self._state.jobs.values()):
            if self._find_deadline(job) > now.monotonic:
                continue
            if _is_abandoned(job, now):
                self._intake.delete(job.spec.id)
            elif job.is_final:
                self._state.emit(JobExpired(job.spec.id, job.result_bytes))
                self._intake.delete(job.spec.id)
            else:
                because = f"its deadline of {job.spec.deadline_seconds:g} s passed"
                self._state.end(job, FAILED, now, because)

    def next_deadline(self) -> float:
        """Return the monotonic time at which something is due next, infinity for never."""
        return min(map(self._find_deadline, self._state.jobs.values()), default=inf)

    def _find_deadline(self, job: Job) -> float:
        """Return when something is due for a job, infinity for never."""
        deadline = inf if job.deadline is None else job.deadline
        if job.ended is not None:
            deadline = max(job.ended, job.heard) + self._result_ttl_seconds
        return min(deadline, job.heard + ABANDONED_SECONDS) if _has_owner(job) else deadline


def _has_owner(job: Job) -> bool:
    """Return whether a job is of use only to the client that submitted it."""
    return job.spec.owned or not job.sealed


def _is_abandoned(job: Job, now: Now) -> bool:
    return _has_owner(job) and job.heard + ABANDONED_SECONDS <= now.monotonic
