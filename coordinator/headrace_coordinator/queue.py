"""The queue: a pure state machine. No sockets, threads or clocks inside; time is an argument.

    clients ─► intake ──┐
    workers ─► leasing ─┼─► state ─► events ─► store, metrics, waiting calls
    reports ─► outcomes ┘

Not thread safe: the ledger calls it under its lock.
"""

from __future__ import annotations

from headrace_coordinator.intake import Intake
from headrace_coordinator.job import Job
from headrace_coordinator.leasing import Leasing
from headrace_coordinator.outcomes import Outcomes
from headrace_coordinator.state import Now, QueueState

#: Seconds without a heartbeat after which a worker's leases come back.
DEFAULT_LEASE_SECONDS = 15.0


class Queue:
    """The three groups of transitions over one state; see ``QueueState`` for the invariants.

    ``first_lease`` sets the lease numbers of this incarnation apart from those of earlier ones.
    """

    def __init__(self, lease_seconds: float = DEFAULT_LEASE_SECONDS, first_lease: int = 1) -> None:
        self.state = QueueState(next_lease=first_lease)
        self.intake = Intake(self.state)
        self.leasing = Leasing(self.state, lease_seconds)
        self.outcomes = Outcomes(self.state, self.leasing)

    def restore(self, job: Job, now: Now) -> None:
        """Put back a job as the store has it: what was leased or delayed is waiting again."""
        job.waiting_since = job.heard = now.monotonic
        self.state.jobs[job.spec.id] = job
        if not job.is_final:
            for start, stop in job.done.missing(0, job.tasks):
                for left, right in job.dead.missing(start, stop):
                    job.fresh.add(left, right)
            job.settle(now.at)

    def tick(self, now: Now) -> None:
        """Let time pass: expire, promote, forget."""
        self.leasing.expire(now)
        self.leasing.promote_delayed(now)
        self.intake.forget_abandoned(now)
