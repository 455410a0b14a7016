"""What calls wait for, by name, and which events of the queue wake them."""

from __future__ import annotations

from collections.abc import Sequence

from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.shared import events as shared

#: Topic that is notified when tasks can be leased again.
WORK = "work"

#: Topic that is notified when there may be room in the spool again.
SPOOL = "spool"


# Topics that are notified when something of what they are named for has changed.


def name_orders_topic(worker: str) -> str:
    return f"orders {worker}"


def name_job_topic(job: str) -> str:
    return f"job {job}"


def name_log_topic(job: str) -> str:
    """Topic that is notified when something came to a job's log, or may come no more."""
    return f"log {job}"


def name_shared_topic(name: str) -> str:
    return f"shared {name}"


def wake_waiters(waiters: Waiters, happened: Sequence[Event]) -> None:
    topics: dict[str, None] = {}
    forgotten: list[str] = []
    for event in happened:
        match event:
            case events.WorkAppeared():
                topics[WORK] = None
            case events.OrdersGiven():
                topics[name_orders_topic(event.worker)] = None
            case events.JobChanged():
                topics[name_job_topic(event.job)] = None
                topics[name_log_topic(event.job)] = None  # it may have ended
            case events.RunDone() | events.WorkHeld():
                topics[name_job_topic(event.job)] = None
            case events.LinesLogged():
                topics[name_log_topic(event.job)] = None
            case (
                shared.SharedKept()
                | shared.SharedItemKept()
                | shared.SharedItemHeld()
                | shared.SharedItemsDropped()
            ):
                topics[name_shared_topic(event.name)] = None
            case shared.SharedDeleted():
                forgotten.append(name_shared_topic(event.name))
            case (
                events.InputsDropped()
                | events.ResultsDropped()
                | events.RunsDelivered()
                | events.RoomAppeared()
            ):
                topics[SPOOL] = None
            case events.JobDeleted():
                topics[SPOOL] = None
                forgotten += [name_job_topic(event.job), name_log_topic(event.job)]
            case events.WorkerGone():
                forgotten.append(name_orders_topic(event.worker))
            case _:
                pass  # for the store and for metrics
    for topic in topics:
        if topic == WORK:  # each worker that leases some wakes the next
            waiters.notify_one(topic)
        else:
            waiters.notify(topic)
    for topic in forgotten:
        waiters.forget(topic)
