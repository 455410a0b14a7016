"""What the queue knows, and the events that its transitions leave behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from headrace_coordinator.events import Event, JobChanged, OrdersGiven
from headrace_coordinator.job import HeldLease, Job
from headrace_coordinator.membership import Member
from headrace_wire.errors import UnknownJobError


class Now(NamedTuple):
    """A moment: ``monotonic`` seconds for all reckoning, Unix seconds ``at`` for people only."""

    monotonic: float
    at: float


@dataclass(slots=True)
class QueueState:
    """Everything that the transitions read and change.

    Invariants, between transitions (``headrace_coordinator.invariants`` checks them):

    1. Each task of a job that is not final is in exactly one place: fresh, again, delayed, one
       lease, done or dead; together they are all of [0, tasks).
    2. Each task of a final job that was not cancelled is done or dead.
    3. A lease is in its job's leases if and only if it is in its worker's and in ``leases``.
    4. A job is succeeded if and only if it is sealed and all of its tasks are done.
    5. No task has more attempts than its job allows.
    """

    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    members: dict[str, Member] = field(default_factory=dict[str, Member])
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    events: list[Event] = field(default_factory=list[Event])
    virtual_seconds: float = 0.0
    next_lease: int = 1

    def find(self, job_id: str) -> Job:
        """The job of this id. Raises UnknownJobError."""
        try:
            return self.jobs[job_id]
        except KeyError:
            raise UnknownJobError(
                f"there is no job {job_id!r}: `headrace jobs` lists those there are"
            ) from None

    def count_slots(self) -> int:
        """Slots of all workers together."""
        return sum(member.info.slots for member in self.members.values())

    def drain_events(self) -> list[Event]:
        """Take what the transitions since the last call left behind."""
        events, self.events = self.events, []
        return events

    def drop_lease(self, lease: HeldLease) -> None:
        """Forget a lease; what it still holds is the caller's to place."""
        self.leases.pop(lease.id, None)
        job = self.jobs.get(lease.job)
        if job and job.leases.pop(lease.id, None):
            job.leased -= lease.held.count
        member = self.members.get(lease.worker)
        if member:
            member.leases.discard(lease.id)

    def stop_leases(self, job: Job) -> None:
        """End every lease of a job, and order its workers to stop what they run of it."""
        for lease in list(job.leases.values()):
            member = self.members.get(lease.worker)
            if member:
                member.orders.add(job.spec.id)
                self.events.append(OrdersGiven(lease.worker))
            self.drop_lease(lease)

    def change(self, job: Job, now: Now) -> None:
        """Settle a job's state after its counts changed."""
        job.settle(now.at)
        self.events.append(JobChanged(job.spec.id))
