"""Workers as the coordinator knows them: what they hold, and when they last sent something."""

from __future__ import annotations

import hashlib

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from headrace_coordinator.queue.held_lease import HeldLease
from headrace_wire.bounds import MAX_ENTRIES
from headrace_wire.engines import keeps_limits
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.spans import TaskName
from headrace_wire.messages.workers import (
    Orders,
    RunningTask,
    TaskProgress,
    WorkerInfo,
    WorkerStatus,
)

#: A job, and the index of one of its tasks if only that is meant.
Order = tuple[str, int | None]

#: An order instead of a job: the worker is to return what has not started.
HAND_BACK = ""

#: The same: the worker is to take nothing new, and to leave. No job has this id.
DRAIN = "\n"


#: How many grants are remembered for each worker; a worker that is far away has several pending
#: requests.
KEPT_GRANTS = 16


def show_id(worker: str) -> str:
    """Return the id by which others know a worker.

    A worker identifies itself with its own id: anyone who knew it and has the same key could report
    for the worker, or make it leave.
    """
    return hashlib.blake2b(worker.encode(), digest_size=8).hexdigest()


class Member(Struct):
    """One connected worker. ``heard`` is monotonic, ``connected_at`` is in Unix seconds.

    ``key`` names the key with which it was registered, "" for a key that is valid for all workers.
    """

    info: WorkerInfo
    connected_at: float
    heard: float
    services: frozenset[str]
    key: str = ""
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    #: The leases that were granted to the last requests, by the requests' numbers, so that a
    #: repeated request gets the same answer.
    grants: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    #: What it is to stop, with the number of the order, until it confirms that.
    orders: dict[Order, int] = field(default_factory=dict[Order, int])
    #: Jobs whose tasks it may not run.
    refused: set[str] = field(default_factory=set[str])
    #: The number of the last order; each coordinator begins with another number.
    ordered: int = 0
    busy: int = 0
    rss_bytes: int = 0
    draining: bool = False
    #: Whether it was told to leave, so that it gets nothing more.
    is_dismissed: bool = False
    #: The progress of its running tasks in the last heartbeat.
    progress: tuple[TaskProgress, ...] = ()
    #: What its slots ran then, and when that was (monotonic).
    running: tuple[RunningTask, ...] = ()
    heartbeat_at: float = 0.0
    cpu_percent: float = 0.0
    done: int = 0
    failed: int = 0
    cpu_seconds: float = 0.0
    shown_id: str = ""

    def __post_init__(self) -> None:
        self.shown_id = show_id(self.info.id)

    def meets_needs(self, spec: JobSpec) -> bool:
        """Return whether it has what is needed to make the values of a job."""
        return not spec.needs or spec.needs in self.services

    def may_run(self, spec: JobSpec) -> bool:
        """Return whether it offers what the tasks of a job need: the service, and time limits."""
        return self.offers(spec.service, is_limited=spec.timeout_seconds is not None)

    def offers(self, service: str, *, is_limited: bool) -> bool:
        """Return whether it offers a service and, if ``is_limited``, enforces time limits."""
        return service in self.services and (not is_limited or keeps_limits(self.info.engine))

    def order(self, job: str, index: int | None = None) -> None:
        """Order it to stop a job, or one task of it; see ``HAND_BACK`` and ``DRAIN``."""
        self.ordered += 1
        self.orders[job, index] = self.ordered
        if len(self.orders) > MAX_ENTRIES:  # it never confirms any
            del self.orders[next(iter(self.orders))]

    def forget_orders(self, number: int) -> None:
        """Forget the orders up to this one, which the worker confirms.

        A number beyond the last one comes from an earlier coordinator.
        """
        if number <= self.ordered:
            self.orders = {order: own for order, own in self.orders.items() if own > number}

    def list_orders(self) -> Orders:
        jobs = [
            job for job, index in self.orders if index is None and job not in (HAND_BACK, DRAIN)
        ]
        tasks = [(job, index) for job, index in self.orders if index is not None]
        return Orders(
            known=True,
            cancelled_jobs=tuple(sorted(jobs)),
            cancelled_tasks=tuple(TaskName(*task) for task in sorted(tasks)),
            number=self.ordered,
            hand_back=(HAND_BACK, None) in self.orders,
            drain=(DRAIN, None) in self.orders,
        )

    def note_grant(self, request: int, leases: tuple[int, ...]) -> None:
        """Remember what was granted to a request."""
        self.grants[request] = leases
        if len(self.grants) > KEPT_GRANTS:
            del self.grants[next(iter(self.grants))]

    def count_reported_tasks(self) -> int:
        """Return the number of tasks in its reports of progress and of running tasks."""
        return len(self.progress) + len(self.running)

    def count_leased(self) -> int:
        return sum(lease.held.count for lease in self.leases.values())

    def status(self, now: float) -> WorkerStatus:
        return WorkerStatus(
            **asdict(replace(self.info, id=self.shown_id)),
            busy=self.busy,
            leased=self.count_leased(),
            done=self.done,
            failed=self.failed,
            cpu_seconds=self.cpu_seconds,
            rss_bytes=self.rss_bytes,
            connected_at=self.connected_at,
            heard_seconds=max(0.0, now - self.heard),
            draining=self.draining,
            cpu_percent=self.cpu_percent,
        )
