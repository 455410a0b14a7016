"""The topics that calls wait for, and which events of the queue wake them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.shared import events as shared

#: The topic that is notified when tasks can be leased again.
WORK = "work"

#: The topic that is notified when there may be space in the spool again.
SPOOL = "spool"

#: The topic that is notified when the journal has new events.
EVENTS = "events"


#: What a topic is about. A log is notified of new lines, and when there may be no more.
Kind = Literal["job", "log", "orders", "shared"]


def name_topic(kind: Kind, name: str) -> str:
    """Return the topic that is notified when something of this name has changed."""
    return f"{kind} {name}"


def wake_waiters(waiters: Waiters, happened: Sequence[Event]) -> None:
    topics: dict[str, None] = {}
    forgotten: list[str] = []
    for event in happened:
        match event:
            case events.WorkAppeared():
                topics[WORK] = None
            case events.OrdersGiven():
                topics[name_topic("orders", event.worker)] = None
            case events.JobChanged():
                topics[name_topic("job", event.job)] = None
            case events.JobEnded():
                topics[name_topic("log", event.status.id)] = None
            case events.SpanDone() | events.WorkHeld():
                topics[name_topic("job", event.job)] = None
            case events.LinesLogged():
                topics[name_topic("log", event.job)] = None
            case (
                shared.SharedKept()
                | shared.SharedItemKept()
                | shared.SharedItemHeld()
                | shared.SharedItemsDropped()
            ):
                topics[name_topic("shared", event.name)] = None
            case shared.SharedDeleted():
                forgotten.append(name_topic("shared", event.name))
            case (
                events.InputsDropped()
                | events.ResultsDropped()
                | events.SpansDelivered()
                | events.RoomAppeared()
            ):
                topics[SPOOL] = None
            case events.JobDeleted():
                topics[SPOOL] = None
                forgotten += [name_topic("job", event.job), name_topic("log", event.job)]
            case events.WorkerGone():
                forgotten.append(name_topic("orders", event.worker))
            case _:
                pass  # for the store and for metrics
    for topic in topics:
        if topic == WORK:  # each worker that leases some wakes the next
            waiters.notify_one(topic)
        else:
            waiters.notify(topic)
    for topic in forgotten:
        waiters.forget(topic)
