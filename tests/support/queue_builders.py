"""Short ways to say what happens to a queue, for its tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.rules import Rules
from headrace_wire.batch import pack_batch
from headrace_wire.bounds import MAX_TASKS
from headrace_wire.messages.failures import Reason, TaskFailure
from headrace_wire.messages.jobs import JobSpec, JobStatus
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.logs import JobLines
from headrace_wire.messages.reports import DoneSpan, Receipt, Report
from headrace_wire.messages.spans import HeldSpan
from headrace_wire.messages.workers import Heartbeat, WorkerInfo


def at(seconds: float) -> Now:
    """A moment, with a wall clock that has nothing to do with it."""
    return Now(seconds, 1_000_000.0 - seconds)


def make_spec(job: str = "job", tasks: int | None = 10, **fields: object) -> JobSpec:
    values: dict[str, object] = {
        "id": job,
        "service": "primes",
        "operation": "count",
        "parameters": b"\x80",
        "tasks": tasks,
        "carried": tasks is None,
        **fields,
    }
    return JobSpec(**values)  # type: ignore[arg-type] # a test names the fields that it cares for


def make_worker(
    worker: str = "w", slots: int = 2, services: tuple[str, ...] = ("primes",)
) -> WorkerInfo:
    engines = dict.fromkeys(services, "test")
    return WorkerInfo(
        worker, worker, "host", 1, slots, "", "spawn", "0", engines, 2.0, 0, "3", "pool"
    )  # fmt: skip


def claim(lease: HeldLease, /, **fields: Any) -> HeldSpan:
    """A lease as its worker claims it, when it registers or reports."""
    span = HeldSpan(
        lease.id, lease.job, lease.start, lease.stop, lease.attempt, lease.request, lease.proof
    )
    return replace(span, **fields)


class Rig:
    """A queue, its clock and its workers' request numbers."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.proofs = LeaseProofs(b"secret")
        self.queue = Queue(rules, proofs=self.proofs)
        self.seconds = 0.0
        self.requests: dict[str, int] = {}
        self.reports: dict[str, int] = {}

    @property
    def now(self) -> Now:
        return at(self.seconds)

    def join(
        self, worker: str = "w", slots: int = 2, services: tuple[str, ...] = ("primes",)
    ) -> None:
        self.queue.leasing.register(make_worker(worker, slots, services), (), self.now)

    def submit(self, job: str = "job", tasks: int | None = 10, **fields: object) -> None:
        self.queue.intake.submit(make_spec(job, tasks, **fields), self.now)

    def put(self, job: str, start: int, items: list[bytes]) -> int:
        return self.queue.intake.put(job, start, pack_batch(items), self.now)

    def lease(self, worker: str = "w", slots: int = 2, *, repeat: bool = False) -> list[HeldLease]:
        if not repeat:
            self.requests[worker] = self.requests.get(worker, 0) + 1
        request = LeaseRequest(worker, self.requests[worker], slots, 0.0, ())
        return self.queue.leasing.lease(request, self.now)

    def finish(
        self, lease: HeldLease, start: int | None = None, stop: int | None = None,
        seconds: float = 0.1, counters: dict[str, float] | None = None,
    ) -> Receipt:  # fmt: skip
        first = lease.start if start is None else start
        last = lease.stop if stop is None else stop
        values = pack_batch([str(index).encode() for index in range(first, last)])
        count = last - first
        spent = seconds * count
        run = DoneSpan(lease.id, lease.job, first, last, values, spent, spent, counters or {})
        return self.report(lease.worker, done=(run,), held=(claim(lease),))

    def run_to_end(self, worker: str = "w") -> None:
        """Lease and finish until nothing is left."""
        while leases := self.lease(worker):
            for lease in leases:
                self.finish(lease)

    def fail(self, lease: HeldLease, index: int, reason: Reason = "error") -> Receipt:
        failure = TaskFailure(
            lease.id, lease.job, index, lease.attempt, reason, "", "ValueError", "no", "", "",
            lease.worker, 0.0, 0.0,
        )  # fmt: skip
        return self.report(lease.worker, failures=(failure,))

    def report(
        self,
        worker: str,
        done: tuple[DoneSpan, ...] = (),
        failures: tuple[TaskFailure, ...] = (),
        logs: tuple[JobLines, ...] = (),
        held: tuple[HeldSpan, ...] = (),
    ) -> Receipt:
        self.reports[worker] = self.reports.get(worker, 0) + 1
        report = Report(worker, self.reports[worker], done, failures, (), (), logs, held)
        return self.queue.outcomes.report(report, self.now)

    def beat(
        self,
        worker: str = "w",
        leases: tuple[int, ...] = (),
        orders: int = 0,
        *,
        draining: bool = False,
        **told: Any,
    ) -> bool:
        request = self.requests.get(worker, 0)
        beat = Heartbeat(worker, request, leases, 0, 0, draining, 0.0, orders, **told)
        return self.queue.leasing.heartbeat(beat, self.now)

    def retry(self, job: str = "job") -> JobStatus:
        self.queue.revival.retry(job, 0, self.now, MAX_TASKS)
        return self.status(job)

    def replay(self, job: str = "job", indices: Sequence[int] = ()) -> JobStatus:
        revival = self.queue.revival
        revival.require_dead(job, indices)
        chosen = RangeSet((index, index + 1) for index in indices)
        revival.replay(job, chosen or None, 0, self.now, MAX_TASKS)
        return self.status(job)

    def status(self, job: str = "job") -> JobStatus:
        return self.queue.intake.status(job, self.now)
