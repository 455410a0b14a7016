"""Workers as the coordinator knows them: what they hold, and when they were heard."""

from __future__ import annotations

import hashlib

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from headrace_coordinator.queue.job import HeldLease
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

#: A job, and the index of a task of it if that alone is meant.
Order = tuple[str, int | None]

#: In place of a job: the worker is to return what has not started.
HAND_BACK = ""

#: The same: the worker is to take nothing new, and to go. No job has this id.
DRAIN = "\n"


#: Grants that are remembered for each worker: one far away has several requests under way.
KEPT_GRANTS = 16


def show_id(worker: str) -> str:
    """The id under which others know a worker.

    By its own id a worker speaks for itself: whoever knew that and has the same key could report
    for it, or have it leave.
    """
    return hashlib.blake2b(worker.encode(), digest_size=8).hexdigest()


class Member(Struct):
    """One connected worker. ``heard`` is monotonic, ``connected_at`` Unix seconds.

    ``key`` names the key with which it was registered; "" for one that may speak for all workers.
    """

    info: WorkerInfo
    connected_at: float
    heard: float
    services: frozenset[str]
    key: str = ""
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    #: The leases that the last requests were granted, by the requests' numbers: a repeated one is
    #: answered alike.
    grants: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    #: What it is to stop, with the number of the order, until it confirms that.
    orders: dict[Order, int] = field(default_factory=dict[Order, int])
    #: Jobs of which it may not do a task.
    refused: set[str] = field(default_factory=set[str])
    #: The number of the last order; each coordinator begins somewhere else.
    ordered: int = 0
    busy: int = 0
    rss_bytes: int = 0
    draining: bool = False
    #: Whether it was told to go, so that it is given nothing more.
    is_dismissed: bool = False
    #: How far its running tasks said they were with the last heartbeat.
    progress: tuple[TaskProgress, ...] = ()
    #: What its slots ran then, and when that was (monotonic).
    running: tuple[RunningTask, ...] = ()
    told: float = 0.0
    cpu_percent: float = 0.0
    done: int = 0
    failed: int = 0
    cpu_seconds: float = 0.0
    shown_id: str = ""

    def __post_init__(self) -> None:
        self.shown_id = show_id(self.info.id)

    def is_able(self, spec: JobSpec) -> bool:
        """Whether it has what the values of a job have to be made with."""
        return not spec.needs or spec.needs in self.services

    def may_run(self, spec: JobSpec) -> bool:
        """Whether it offers what the tasks of a job need: the service, and a time limit kept."""
        return self.offers(spec.service, is_limited=spec.timeout_seconds is not None)

    def offers(self, service: str, *, is_limited: bool) -> bool:
        """Whether it offers a service, and for tasks with a time limit, that it is kept."""
        return service in self.services and (not is_limited or keeps_limits(self.info.engine))

    def order(self, job: str, index: int | None = None) -> None:
        """Have a job stopped, or one task of it; see ``HAND_BACK`` and ``DRAIN``."""
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
        """Remember what a request was granted."""
        self.grants[request] = leases
        if len(self.grants) > KEPT_GRANTS:
            del self.grants[next(iter(self.grants))]

    def count_told(self) -> int:
        """Of how many tasks it tells, and how much."""
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
