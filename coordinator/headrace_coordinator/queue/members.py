"""Workers as the coordinator knows them: who is there, what they hold, when they were heard."""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import asdict

from headrace_coordinator.queue.job import HeldLease
from headrace_wire.bounds import MAX_ENTRIES, MAX_NAMED_TASKS
from headrace_wire.messages import TaskProgress, WorkerInfo, WorkerStatus


class Member(Struct):
    """One connected worker. ``heard`` is monotonic, ``connected_at`` Unix seconds."""

    info: WorkerInfo
    connected_at: float
    heard: float
    services: frozenset[str]
    leases: dict[int, HeldLease] = field(default_factory=dict[int, HeldLease])
    #: The last lease request and what it was granted, to answer a repeated one alike.
    request: int = 0
    granted: tuple[HeldLease, ...] = ()
    #: Jobs and tasks that it is to stop, by the number of the order, until it has heard of it.
    job_orders: dict[str, int] = field(default_factory=dict[str, int])
    task_orders: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    #: The number of the order to return what has not started; 0 for none.
    hand_back_order: int = 0
    #: Jobs of which it was not allowed to do a task.
    refused: set[str] = field(default_factory=set[str])
    #: The number of the last order; each coordinator begins somewhere else.
    ordered: int = 0
    busy: int = 0
    rss_bytes: int = 0
    draining: bool = False
    #: How far its running tasks said they were with the last heartbeat.
    progress: tuple[TaskProgress, ...] = ()
    done: int = 0
    failed: int = 0
    cpu_seconds: float = 0.0

    def order_stop(self, job: str, index: int | None = None) -> None:
        """Have a job stopped, or one task of it."""
        self.ordered += 1
        if index is None:
            self.job_orders[job] = self.ordered
            if len(self.job_orders) > MAX_ENTRIES:  # it never says that it has heard of any
                del self.job_orders[next(iter(self.job_orders))]
        else:
            self.task_orders[job, index] = self.ordered
            if len(self.task_orders) > MAX_NAMED_TASKS:
                del self.task_orders[next(iter(self.task_orders))]

    def order_hand_back(self) -> None:
        """Have what has not started returned."""
        self.ordered += 1
        self.hand_back_order = self.ordered

    def forget_orders(self, number: int) -> None:
        """Forget the orders up to this one: they were heard.

        A number beyond the last is one of an earlier coordinator's.
        """
        if number > self.ordered:
            return
        self.job_orders = {job: own for job, own in self.job_orders.items() if own > number}
        self.task_orders = {task: own for task, own in self.task_orders.items() if own > number}
        if self.hand_back_order <= number:
            self.hand_back_order = 0

    def count_leased(self) -> int:
        """How many tasks it holds."""
        return sum(lease.held.count for lease in self.leases.values())

    def status(self, now: float) -> WorkerStatus:
        return WorkerStatus(
            **asdict(self.info),
            busy=self.busy,
            leased=self.count_leased(),
            done=self.done,
            failed=self.failed,
            cpu_seconds=self.cpu_seconds,
            rss_bytes=self.rss_bytes,
            connected_at=self.connected_at,
            heard_seconds=max(0.0, now - self.heard),
            draining=self.draining,
        )
