"""The queue: a pure state machine. No sockets, threads or clocks inside; time is an argument.

    clients ─► intake ──┐
               revival ─┤
    workers ─► leasing ─┼─► state ─► events ─► store, metrics, waiting calls
    reports ─► outcomes ┤
    time ────► expiry ──┤
    tasks ───► shared ──┘  (a state of its own: see ``headrace_coordinator.shared``)

Not thread safe: the ledger calls it under its lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.client_requests import Intake
from headrace_coordinator.queue.expiry import Expiry
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.leasing import Leasing
from headrace_coordinator.queue.outcomes import Outcomes
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.revival import Revival
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.queue.spool import Spool
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.shared.state import SharedState

#: Tasks as the store knows that they were tried: (start, stop, attempts, lost with their worker).
Attempted = tuple[int, int, int, bool]


class Queue:
    """The groups of transitions over one state; see ``QueueState`` for the invariants.

    ``shared`` is what tasks and clients have in common beside their jobs.

    ``first_lease`` sets the lease numbers of this incarnation apart from those of earlier ones.
    """

    def __init__(self, rules: Rules | None = None, first_lease: int = 1) -> None:
        self.rules = rules = rules or Rules()
        self.state = QueueState(next_lease=first_lease)
        self.spool = Spool(self.state, rules.spool_limit_bytes)
        self.intake = Intake(self.state, self.spool)
        self.revival = Revival(self.state)
        self.leasing = Leasing(self.state, self.spool, rules.lease_seconds)
        self.outcomes = Outcomes(self.state, self.leasing)
        self.expiry = Expiry(self.state, self.intake, rules.result_ttl_seconds)
        self.shared = SharedState(self.state.emit, rules.lease_seconds, rules.shared_limit_bytes)

    def restore(self, job: Job, attempted: Sequence[Attempted], now: Now) -> None:
        """Put back a job as the store has it: what was leased or delayed is waiting again.

        ``attempted`` tells, oldest first, how often which tasks were tried; the newest holds.
        """
        job.waiting_since = now.monotonic
        job.heard = now.monotonic if job.ended is None or job.spec.owned else job.ended
        self.state.spool_bytes += job.spool_bytes
        if not job.is_final:
            known = RangeSet([*job.done, *job.dead])
            for start, stop, attempts, lost in reversed(attempted):
                for left, right in known.missing(start, stop):
                    job.give_back(left, right, attempts, now.monotonic, lost=lost)
                known.add(start, stop)
            for start, stop in known.missing(0, job.tasks):
                job.fresh.add(start, stop)
            job.settle(now.monotonic, now.at)
        self.state.add(job)

    def tick(self, now: Now) -> None:
        """Let time pass: leases, pauses and jobs come to their end."""
        self.leasing.expire(now)
        self.leasing.promote_delayed(now)
        self.expiry.apply(now)
        self.shared.tick(now)

    def next_deadline(self) -> float:
        """The monotonic time of the next thing that time alone brings about; infinity for none."""
        shared = self.shared.next_deadline()
        return min(
            self.leasing.next_deadline(),
            self.expiry.next_deadline(),
            inf if shared is None else shared,
        )
