"""The queue: a pure state machine. It contains no sockets, threads or clocks; time is an argument.

    clients ─► intake ──┐
               revival ─┤
    workers ─► leasing ─┼─► state ─► events ─► store, metrics, waiting calls
    reports ─► outcomes ┤
    time ────► all ─────┤
    tasks ───► shared ──┘  (a state of its own: see ``headrace_coordinator.shared``)

Not thread-safe: the ledger calls it under its lock.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.client_requests import Intake
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.leasing import Leasing
from headrace_coordinator.queue.outcomes import Outcomes
from headrace_coordinator.queue.past_leases import PastLeases
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.revival import Revival
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.queue.spool import Spool
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.shared.state import SharedState

#: A span of tasks as stored: (start, stop, attempts, whether lost with their worker).
Attempted = tuple[int, int, int, bool]


class Queue:
    """The groups of transitions over one state; see ``QueueState`` for the invariants.

    ``shared`` is the state that tasks and clients share besides their jobs. ``first_lease`` keeps
    the numbers of leases apart from those that earlier queues over the same store have granted.
    With ``proofs``, these are recognized; without, their tasks are run again.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        first_lease: int = 1,
        proofs: LeaseProofs | None = None,
    ) -> None:
        self.rules = rules = rules or Rules()
        past = PastLeases(first_lease)
        self.state = QueueState(next_lease=first_lease, past=past, proofs=proofs)
        self.spool = Spool(self.state, rules.spool_limit_bytes, rules.scratch)
        self.intake = Intake(self.state, self.spool, rules.result_ttl_seconds)
        self.revival = Revival(self.state)
        self.leasing = Leasing(self.state, self.spool, rules.lease_seconds)
        self.outcomes = Outcomes(self.state, self.leasing)
        self.shared = SharedState(self.state.emit, rules.lease_seconds, rules.shared_limit_bytes)

    def restore(self, job: Job, attempted: Sequence[Attempted], now: Now) -> None:
        """Restore a job as it is in the store. Tasks that were leased or delayed wait again.

        ``attempted`` says, oldest first, how often which tasks were tried; the newest entry counts.
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
        """End the leases, pauses, jobs and sessions whose time is over."""
        self.leasing.expire(now)
        self.leasing.promote_delayed(now)
        self.intake.expire(now)
        self.shared.tick(now)

    def next_deadline(self) -> float:
        """Return the monotonic time at which the next of them ends, infinity for none."""
        return min(
            self.leasing.next_deadline(),
            self.intake.next_deadline(),
            self.shared.next_deadline(),
        )
