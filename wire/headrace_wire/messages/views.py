"""Messages for people who watch a cluster: its events and its figures."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from headrace_wire.bounds import (
    MAX_ENTRIES,
    MAX_RUNNING_TOLD,
    Amount,
    Count,
    Identifier,
    Moment,
    Name,
    OptionalLabel,
    Seconds,
    Text,
)
from headrace_wire.html import draw_list
from headrace_wire.message import Message
from headrace_wire.messages.jobs import State
from headrace_wire.messages.workers import RunningTask, WorkerStatus

#: What happened to a job.
JobEventKind = Literal[
    "job-submitted",
    "job-started",
    "job-succeeded",
    "job-failed",
    "job-cancelled",
    "job-retried",
    "job-deleted",
    "job-expired",
    "task-failed",
    "work-waits",
]

#: What happened to a worker.
WorkerEventKind = Literal["worker-joined", "worker-left", "worker-silent", "worker-draining"]

EventKind = JobEventKind | WorkerEventKind

#: The maximum number of parts of the work in an overview.
BACKLOGS_TOLD: Final = 64

#: How many events the coordinator keeps, and how many are in one answer.
EVENTS_KEPT: Final = 10_000
EVENTS_PER_PAGE: Final = 1000

#: Seconds from one point of a timeline to the next, and how many points the coordinator keeps.
STEP_SECONDS: Final = 10.0
STEPS_KEPT: Final = 360


class ClusterEvent(Message):
    """Something that happened to a job, a task or a worker, in words.

    ``kind`` is one of ``EventKind``; a later coordinator may have more. ``number`` increases from
    each event to the next, even after the coordinator was restarted. ``job`` is an id or "",
    ``worker`` a name or "".
    """

    number: Count
    at: Moment
    kind: Identifier
    job: OptionalLabel
    worker: OptionalLabel
    text: Text


class EventRequest(Message):
    """A request for events past ``cursor`` (0 at first, then as in the last answer), of one job if
    it is named.

    There are at most ``limit`` events in the answer, 0 for as many as it can contain. At the cursor
    0, it begins with the oldest event that is kept, or with the newest ``last`` if that is not 0.
    """

    cursor: Count = 0
    wait_seconds: Seconds = 0.0
    limit: Count = 0
    job: OptionalLabel = ""
    last: Count = 0


class EventPage(Message):
    """Events past a cursor, the oldest first. ``missed`` is how many between them are not kept, of
    any job: they were too many at a time, or too old.
    """

    events: Annotated[tuple[ClusterEvent, ...], Meta(max_length=MAX_ENTRIES)]
    cursor: Count
    missed: Count


class Backlog(Message):
    """Waiting and running tasks of all jobs that need the same from a worker: a service, and any
    engine or one that enforces time limits (``is_limited``).

    ``seconds`` is how long one slot would be busy with these tasks.
    """

    service: Identifier
    is_limited: bool
    tasks: Count
    seconds: Amount


class Overview(Message):
    """Figures of the whole cluster: workers and slots, tasks and jobs by state.

    Rates are those of the last ten seconds. ``backlog_seconds`` is how long all slots that take
    work would be busy with what waits or runs now and a connected worker can run, as far as the
    coordinator knows how long tasks take; without any worker, it is the time for one slot. ``held``
    and ``problem`` say why work waits, or are "". ``backlogs`` are the largest BACKLOGS_TOLD parts
    of all that waits or runs, by what they need.
    """

    version: Name
    started_at: Moment
    workers: Count
    draining: Count
    slots: Count
    busy: Count
    waiting: Count
    leased: Count
    retrying: Count
    jobs: Annotated[dict[State, Count], Meta(max_length=5)]
    done_per_second: Amount
    failed_per_second: Amount
    backlog_seconds: Amount
    held: Text
    problem: Text
    backlogs: Annotated[tuple[Backlog, ...], Meta(max_length=BACKLOGS_TOLD)] = ()


class TimePoint(Message):
    """The figures at one point in time; ``done`` and ``failed`` tasks since the previous point."""

    at: Moment
    workers: Count
    slots: Count
    busy: Count
    waiting: Count
    leased: Count
    retrying: Count
    running_jobs: Count
    done: Count
    failed: Count


class Timeline(Message):
    """A point every ``step_seconds``, the oldest first. Those of the last hour are kept."""

    step_seconds: Seconds
    points: Annotated[tuple[TimePoint, ...], Meta(max_length=MAX_ENTRIES)]


class WorkerPoint(Message):
    """The figures of a worker at one point in time."""

    at: Moment
    busy: Count
    cpu_percent: Amount
    rss_bytes: Count


class WorkerView(Message):
    """A worker: its status, what its slots run, and its figures of the last hour.

    ``running`` only has tasks that the caller may see. Points are STEP_SECONDS apart, the oldest
    first.
    """

    status: WorkerStatus
    running: Annotated[tuple[RunningTask, ...], Meta(max_length=MAX_RUNNING_TOLD)]
    points: Annotated[tuple[WorkerPoint, ...], Meta(max_length=MAX_ENTRIES)]

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = [
            [str(task.slot), task.job, str(task.index), f"{task.seconds:.1f} s"]
            for task in self.running
        ]
        running = draw_list("runs", ["slot", "job", "task", "for"], rows) if rows else ""
        status = self.status._repr_html_()  # pyright: ignore[reportPrivateUsage] # notebooks' name
        return status + running


class CoordinatorInfo(Message):
    """The state of the coordinator, for health checks. ``held`` says why work waits for space.

    ``page`` is the URL of its page, such as ``http://127.0.0.1:7380``, "" if it has none.
    """

    version: Name
    protocol: Count
    uptime_seconds: Amount
    workers: Count
    slots: Count
    jobs: Count
    store_ok: bool
    problem: Text
    held: Text = ""
    page: Name = ""
