"""Recent events of jobs and workers, for people who watch.

    ledger ─ events, after their commit ─► Journal.note ─► at least the newest EVENTS_KEPT
    clients ─ read (long-poll) ──────────────────────────────┘

Of each kind, only a limited number per second is kept, as in the log. Events that are left out have
numbers, too, so that readers know how many are missing.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from headrace_coordinator.event_rate import EventRateLimit
from headrace_coordinator.failure_burst import FailureBurst
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.serving.topics import EVENTS
from headrace_coordinator.serving.wake import Waiters, find_deadline
from headrace_wire.failures import describe_error
from headrace_wire.messages.failures import WITHDRAWN
from headrace_wire.messages.jobs import CANCELLED, DATA_SERVICE, SUCCEEDED
from headrace_wire.messages.views import (
    EVENTS_KEPT,
    EVENTS_PER_PAGE,
    ClusterEvent,
    EventKind,
    EventPage,
    EventRequest,
)
from headrace_wire.words import count

#: How many characters the text of an event may have.
MOST_CHARACTERS = 300


class Entry(Struct, frozen=True):
    """An event in words. ``owner`` names the key that submitted the job."""

    kind: EventKind
    job: str
    worker: str
    text: str
    owner: str = ""


class Kept(Struct, frozen=True):
    """An event that is kept, and the name of the key that submitted its job."""

    event: ClusterEvent
    owner: str

    def is_for(self, request: EventRequest, by: str | None) -> bool:
        """Return whether it was requested, by a key of this name or, if None, by one that sees
        all.
        """
        event = self.event
        return request.job in ("", event.job) and (by in (None, self.owner) or not event.job)


class _Batch:
    """Events that happened together: most of a job's failures are counted instead of kept."""

    def __init__(self) -> None:
        self._expired: set[str] = set()
        #: By job, and by the name of the key that it was submitted with.
        self._bursts: defaultdict[tuple[str, str], FailureBurst] = defaultdict(FailureBurst)

    def add(self, event: Event) -> bool:
        """Add an event. Returns whether it is kept by itself."""
        match event:
            case events.TaskDead(failure=failure):
                if failure.reason == WITHDRAWN:
                    return False  # its client wanted that
                return self._bursts[failure.job, event.submitted_by].add(failure)
            case events.JobExpired():
                self._expired.add(event.job)
            case events.JobDeleted():
                return event.job not in self._expired
            case _:
                pass
        return True

    def sum_up(self, job: str | None = None) -> Iterator[Entry]:
        """Yield what is kept of the counted failures of a job, or of all jobs."""
        for whose in [one for one in self._bursts if job in (None, one[0])]:
            if more := self._bursts.pop(whose).sum_up():
                yield Entry("task-failed", whose[0], "", more, whose[1])


class Journal:
    """Keeps events. All methods must be called in the event loop's thread."""

    def __init__(
        self,
        waiters: Waiters,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._waiters = waiters
        self._clock, self._wall = clock, wall
        #: Numbers begin where those of an earlier coordinator certainly did not reach.
        self._first = int(wall() * 1e6)
        self._last = self._first - 1
        self._kept: list[Kept] = []
        self._rate_limits: dict[EventKind, EventRateLimit] = {}

    def note(self, happened: Sequence[Event]) -> None:
        """Keep those of these events that people want to know."""
        before = self._last
        batch = _Batch()
        for event in happened:
            describe = DESCRIPTIONS.get(type(event))
            if describe is None:
                continue  # most events are not for people, and there are many
            if isinstance(event, events.JobEnded):  # failures come before the end of the job
                self._keep_all(batch.sum_up(event.status.id))
            if batch.add(event) and (entry := describe(event)):
                self._keep(entry)
        self._keep_all(batch.sum_up())
        if self._last != before:
            self._waiters.notify(EVENTS)

    def _keep_all(self, several: Iterable[Entry]) -> None:
        for entry in several:
            self._keep(entry)

    async def read(self, request: EventRequest, by: str | None = None) -> EventPage:
        """Return events past a cursor, and wait if there are none.

        With ``by``, only events of jobs that were submitted with the key of this name are returned.
        """
        missed = 0

        async def look() -> EventPage:
            nonlocal request, missed
            page = self._look(request, by)
            missed += page.missed
            request = replace(request, cursor=page.cursor)  # each event is examined only once
            return replace(page, missed=missed)

        return await self._waiters.poll(
            EVENTS, find_deadline(request.wait_seconds), look, lambda page: bool(page.events)
        )

    def _keep(self, entry: Entry) -> None:
        self._last += 1
        now = self._clock()
        rate_limit = self._rate_limits.get(entry.kind) or self._rate_limits.setdefault(
            entry.kind, EventRateLimit(now)
        )
        if rate_limit.take(now):
            event = ClusterEvent(
                number=self._last,
                at=self._wall(),
                kind=entry.kind,
                job=entry.job,
                worker=entry.worker,
                text=entry.text[:MOST_CHARACTERS],
            )
            self._kept.append(Kept(event, entry.owner))
            if len(self._kept) > EVENTS_KEPT + EVENTS_PER_PAGE:  # some are removed together
                del self._kept[:EVENTS_PER_PAGE]

    def _look(self, request: EventRequest, by: str | None) -> EventPage:
        # A cursor from an earlier coordinator whose clock was ahead is not valid.
        cursor = request.cursor if request.cursor <= self._last else 0
        kept, begin = self._kept, max(cursor, self._first - 1)
        place = bisect_right(kept, cursor, key=_read_number)
        if request.last and not cursor:
            newest = (i for i in reversed(range(place, len(kept))) if kept[i].is_for(request, by))
            place = min(islice(newest, request.last), default=len(kept))
            begin = kept[place].event.number - 1 if place < len(kept) else self._last
        limit = min(request.limit or EVENTS_PER_PAGE, EVENTS_PER_PAGE)
        later = (i for i in range(place, len(kept)) if kept[i].is_for(request, by))
        found = list(islice(later, limit))
        # What comes after the last one is for the next page.
        stop = found[-1] + 1 if len(found) == limit else len(kept)
        end = kept[stop - 1].event.number if len(found) == limit else self._last
        events = tuple(kept[i].event for i in found)
        return EventPage(events, end, end - begin - (stop - place))


def _read_number(kept: Kept) -> int:
    return kept.event.number


def _describe_submission(event: events.JobSubmitted) -> Entry | None:
    spec = event.spec
    if spec.service == DATA_SERVICE:
        return None  # it is part of another job
    what = f"{spec.service} {spec.function or spec.operation}"
    tasks = "" if spec.tasks is None else f", {count(spec.tasks, 'task')}"
    name = f", {spec.name!r}" if spec.name else ""
    by = f", by {event.submitted_by}" if event.submitted_by else ""
    text = f"{what}{name}{tasks}{by}"
    return Entry("job-submitted", spec.id, "", text, event.submitted_by)


def _describe_start(event: events.JobStarted) -> Entry:
    return Entry(
        "job-started", event.job, event.worker, "its first task is leased", event.submitted_by
    )


def _describe_end(event: events.JobEnded) -> Entry | None:
    status = event.status
    if status.service == DATA_SERVICE:
        return None
    text = (
        f"after {status.wall_seconds or 0.0:.3f} s: {status.done} done, {status.failed} failed, "
        f"{status.cancelled} cancelled"
    )
    if status.ended_because:
        text += f"; {status.ended_because}"
    kind: EventKind = "job-failed"
    if status.state == SUCCEEDED:
        kind = "job-succeeded"
    elif status.state == CANCELLED:
        kind = "job-cancelled"
    return Entry(kind, status.id, "", text, status.submitted_by)


def _describe_revival(event: events.JobRevived) -> Entry:
    what = "dead tasks" if event.is_replayed else "tasks that are not done"
    return Entry("job-retried", event.job, "", f"{what} run again", event.submitted_by)


def _describe_deletion(event: events.JobDeleted) -> Entry | None:
    if event.keeps_data:
        return None
    text = "the job and its results are forgotten"
    return Entry("job-deleted", event.job, "", text, event.submitted_by)


def _describe_expiry(event: events.JobExpired) -> Entry:
    text = f"forgotten with {count(event.result_bytes, 'byte')} of results"
    return Entry("job-expired", event.job, "", text, event.submitted_by)


def _describe_death(event: events.TaskDead) -> Entry:
    failure = event.failure
    text = (
        f"task {failure.index} failed for good at attempt {failure.attempt} "
        f"({failure.signal or failure.reason}): {describe_error(failure)[:MOST_CHARACTERS]}"
    )
    return Entry("task-failed", failure.job, failure.worker, text, event.submitted_by)


def _describe_unschedulable(event: events.JobUnschedulable) -> Entry:
    return Entry("work-waits", event.job, "", event.why, event.submitted_by)


def _describe_hold(event: events.WorkHeld) -> Entry | None:
    if not event.why:
        return None
    return Entry("work-waits", event.job, "", event.why, event.submitted_by)


def _describe_arrival(event: events.WorkerJoined) -> Entry:
    return Entry("worker-joined", "", event.name, count(event.slots, "slot"))


def _describe_leave(event: events.WorkerGone) -> Entry:
    text = f"{count(event.tasks, 'task goes', 'tasks go')} to others"
    return Entry("worker-silent" if event.silent else "worker-left", "", event.name, text)


def _describe_draining(event: events.WorkerDraining) -> Entry:
    return Entry("worker-draining", "", event.name, "it takes nothing new, and exits")


#: How each kind of the queue's events is described.
DESCRIPTIONS: dict[type[Event], Callable[[Any], Entry | None]] = {
    events.JobSubmitted: _describe_submission,
    events.JobStarted: _describe_start,
    events.JobEnded: _describe_end,
    events.JobRevived: _describe_revival,
    events.JobDeleted: _describe_deletion,
    events.JobExpired: _describe_expiry,
    events.TaskDead: _describe_death,
    events.WorkHeld: _describe_hold,
    events.JobUnschedulable: _describe_unschedulable,
    events.WorkerJoined: _describe_arrival,
    events.WorkerGone: _describe_leave,
    events.WorkerDraining: _describe_draining,
}
