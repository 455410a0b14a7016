"""What calls wait for, by name, and which events of the queue wake them."""

from __future__ import annotations

from collections.abc import Sequence

from headrace_coordinator.queue.events import (
    Event,
    InputsDropped,
    JobChanged,
    JobDeleted,
    LinesLogged,
    OrdersGiven,
    ResultsDropped,
    RoomAppeared,
    RunDone,
    RunsDelivered,
    WorkAppeared,
    WorkerGone,
    WorkHeld,
)
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.shared.events import (
    SharedDeleted,
    SharedItemHeld,
    SharedItemKept,
    SharedItemsDropped,
    SharedKept,
)

#: Topic that is rung when tasks can be leased again.
WORK = "work"

#: Topic that is rung when there may be room in the spool again.
SPOOL = "spool"


def name_orders_topic(worker: str) -> str:
    """Topic that is rung when there are orders for a worker."""
    return f"orders {worker}"


def name_job_topic(job: str) -> str:
    """Topic that is rung when something of a job changed."""
    return f"job {job}"


def name_log_topic(job: str) -> str:
    """Topic that is rung when something came to a job's log, or may come no more."""
    return f"log {job}"


def name_shared_topic(name: str) -> str:
    """Topic that is rung when something of a shared object changed."""
    return f"shared {name}"


def wake_waiters(waiters: Waiters, events: Sequence[Event]) -> None:
    """Wake the calls that wait for what has happened."""
    topics: dict[str, None] = {}
    forgotten: list[str] = []
    for event in events:
        match event:
            case WorkAppeared():
                topics[WORK] = None
            case OrdersGiven():
                topics[name_orders_topic(event.worker)] = None
            case JobChanged():
                topics[name_job_topic(event.job)] = None
                topics[name_log_topic(event.job)] = None  # it may have ended
            case RunDone() | WorkHeld():
                topics[name_job_topic(event.job)] = None
            case LinesLogged():
                topics[name_log_topic(event.job)] = None
            case SharedKept() | SharedItemKept() | SharedItemHeld() | SharedItemsDropped():
                topics[name_shared_topic(event.name)] = None
            case SharedDeleted():
                forgotten.append(name_shared_topic(event.name))
            case InputsDropped() | ResultsDropped() | RunsDelivered() | RoomAppeared():
                topics[SPOOL] = None
            case JobDeleted():
                topics[SPOOL] = None
                forgotten += [name_job_topic(event.job), name_log_topic(event.job)]
            case WorkerGone():
                forgotten.append(name_orders_topic(event.worker))
            case _:
                pass  # for the store and for metrics
    for topic in topics:
        if topic == WORK:  # each worker that leases some wakes the next
            waiters.ring_for_one(topic)
        else:
            waiters.ring(topic)
    for topic in forgotten:
        waiters.forget(topic)
