"""The topics that calls wait for, and which events of the queue wake them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

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

#: Events after which a shared object of this name is not what it was.
SharedChange = (
    shared.SharedKept | shared.SharedItemKept | shared.SharedItemHeld | shared.SharedItemsDropped
)

#: What a topic is about. A log is notified of new lines, and when there may be no more.
Kind = Literal["job", "log", "orders", "shared"]


def name_topic(kind: Kind, name: str) -> str:
    """Return the topic that is notified when something of this name has changed."""
    return f"{kind} {name}"


def _name_job(event: events.JobChanged | events.SpanDone | events.WorkHeld) -> str:
    return name_topic("job", event.job)


def _name_spool(_: Event) -> str:
    return SPOOL


def _name_shared(event: SharedChange) -> str:
    return name_topic("shared", event.name)


#: The topic that an event of each class notifies. The others are for the store and for metrics.
NOTIFIED: dict[type[Event], Callable[[Any], str]] = {
    events.WorkAppeared: lambda _: WORK,
    events.OrdersGiven: lambda event: name_topic("orders", event.worker),
    events.JobChanged: _name_job,
    events.SpanDone: _name_job,
    events.WorkHeld: _name_job,
    events.JobEnded: lambda event: name_topic("log", event.status.id),
    events.LinesLogged: lambda event: name_topic("log", event.job),
    shared.SharedKept: _name_shared,
    shared.SharedItemKept: _name_shared,
    shared.SharedItemHeld: _name_shared,
    shared.SharedItemsDropped: _name_shared,
    events.InputsDropped: _name_spool,
    events.ResultsDropped: _name_spool,
    events.SpansDelivered: _name_spool,
    events.RoomAppeared: _name_spool,
    events.JobDeleted: _name_spool,
}

#: The topics that end with an event of each class.
ENDED: dict[type[Event], Callable[[Any], Sequence[str]]] = {
    shared.SharedDeleted: lambda event: (name_topic("shared", event.name),),
    events.JobDeleted: lambda event: (name_topic("job", event.job), name_topic("log", event.job)),
    events.WorkerGone: lambda event: (name_topic("orders", event.worker),),
}


def wake_waiters(waiters: Waiters, happened: Sequence[Event]) -> None:
    """Notify each topic that events are about, once, and forget those that have ended."""
    topics = {name(event): None for event in happened if (name := NOTIFIED.get(type(event)))}
    for topic in topics:
        if topic == WORK:  # each worker that leases some wakes the next
            waiters.notify_one(topic)
        else:
            waiters.notify(topic)
    for event in happened:
        if list_ended := ENDED.get(type(event)):
            for topic in list_ended(event):
                waiters.forget(topic)
