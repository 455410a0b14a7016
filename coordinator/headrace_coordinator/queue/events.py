"""The events of the queue, for the store, metrics, the log and waiting calls."""

from __future__ import annotations

from msgspec import Struct

from headrace_coordinator.queue.job_log import LogPart
from headrace_coordinator.shared.events import SharedStateEvent
from headrace_wire.messages.failures import Reason, TaskFailure
from headrace_wire.messages.job_views import PastJob
from headrace_wire.messages.jobs import JobSpec, JobStatus
from headrace_wire.messages.logs import LogLine


class QueueEvent(Struct, frozen=True):
    """An event that concerns jobs or workers."""


class JobSubmitted(QueueEvent, frozen=True):
    """A job was submitted. To be stored."""

    spec: JobSpec
    submitted_at: float
    submitted_by: str = ""


class InputsPut(QueueEvent, frozen=True):
    """A batch of ``stop - start`` inputs arrived. To be stored."""

    job: str
    start: int
    stop: int
    inputs: bytes


class InputsDropped(QueueEvent, frozen=True):
    """The inputs that were put as the chunk at ``start`` are no longer needed. To be stored, at
    some time.
    """

    job: str
    start: int
    size_bytes: int


class SpanDone(QueueEvent, frozen=True):
    """Tasks [start, stop) have their accepted values. To be stored."""

    job: str
    start: int
    stop: int
    values: bytes
    service: str
    operation: str


class SpanLost(QueueEvent, frozen=True):
    """The values of the span at ``start`` are damaged, and no longer kept. To be stored."""

    job: str
    start: int


class TaskDead(QueueEvent, frozen=True):
    """A task's attempts are exhausted. To be stored."""

    failure: TaskFailure
    service: str
    operation: str
    submitted_by: str = ""


class TaskRevived(QueueEvent, frozen=True):
    """A dead task waits again, as if it had never been tried. To be stored."""

    job: str
    index: int


class AttemptsCounted(QueueEvent, frozen=True):
    """Tasks [start, stop) wait again after this many attempts. To be stored.

    ``lost`` means that the last attempt ended because the worker was lost.
    """

    job: str
    start: int
    stop: int
    attempts: int
    lost: bool
    service: str
    operation: str


class JobChanged(QueueEvent, frozen=True):
    """A job's state or counts changed. To be stored, once per commit."""

    job: str


class ResultsDropped(QueueEvent, frozen=True):
    """The results of the tasks ``dropped`` are safe elsewhere. To be stored."""

    job: str
    dropped: tuple[tuple[int, int], ...]


class SpansDelivered(QueueEvent, frozen=True):
    """The client has the values of the spans that begin at ``starts``. To be stored, at some time.

    ``dropped`` has all tasks of the job whose values are no longer kept.
    """

    job: str
    starts: tuple[int, ...]
    size_bytes: int
    dropped: tuple[tuple[int, int], ...]


class LinesLogged(QueueEvent, frozen=True):
    """Tasks of a job logged lines. To be stored, replacing the oldest ones, ``trimmed``."""

    job: str
    part: LogPart
    lines: tuple[LogLine, ...]
    size_bytes: int
    trimmed: tuple[LogPart, ...]


class Counted(QueueEvent, frozen=True):
    """The counters of a job's tasks grew. For metrics."""

    service: str
    operation: str
    growth: dict[str, float]


class CountersRefused(QueueEvent, frozen=True):
    """A job's tasks use more names of counters than a job may have. For the log."""

    job: str
    name: str


class JobStarted(QueueEvent, frozen=True):
    """A task of a job is leased for the first time, to the worker of this name. For people."""

    job: str
    worker: str
    submitted_by: str = ""


class JobRevived(QueueEvent, frozen=True):
    """Tasks of a job are run again: dead ones, or all that are not done. For people."""

    job: str
    is_replayed: bool
    submitted_by: str = ""


class JobEnded(QueueEvent, frozen=True):
    """A job is final; its status does not contain the parameters. For the log."""

    status: JobStatus


class JobExpired(QueueEvent, frozen=True):
    """A job is deleted because nobody fetched its results for long. For metrics and the log.

    If there is a ``summary``, it is to be stored. It does not contain the failures, and it
    ``ended`` at that time by the coordinator's clock.
    """

    job: str
    result_bytes: int
    submitted_by: str = ""
    summary: PastJob | None = None
    ended: float = 0.0


class SummaryDropped(QueueEvent, frozen=True):
    """The summary of an expired job is deleted. To be stored."""

    job: str


class JobDeleted(QueueEvent, frozen=True):
    """A job is deleted. To be stored. ``keeps_data`` if it was only part of others."""

    job: str
    submitted_by: str = ""
    keeps_data: bool = False


class WorkAppeared(QueueEvent, frozen=True):
    """There are tasks to lease where there were none."""


class MomentSet(QueueEvent, frozen=True):
    """Something is due at this monotonic time. For the ticker, which may be waiting for a later
    one.
    """

    moment: float


class RoomAppeared(QueueEvent, frozen=True):
    """There is space on the disk again. For waiting calls."""


class WorkHeld(QueueEvent, frozen=True):
    """Tasks of a job wait although a worker requested some, and nothing runs.

    For waiting calls, and for the log unless ``why`` is empty because it was logged before.
    """

    job: str
    why: str
    submitted_by: str = ""


class JobUnschedulable(QueueEvent, frozen=True):
    """Tasks of a job wait, and for some time no worker was connected that could run them. For
    people.
    """

    job: str
    why: str
    submitted_by: str = ""


class OrdersGiven(QueueEvent, frozen=True):
    """There are orders for a worker."""

    worker: str


class WorkerJoined(QueueEvent, frozen=True):
    """A worker registered. For the log."""

    name: str
    slots: int


class LeasesUnproven(QueueEvent, frozen=True):
    """A worker with a key of this name claimed leases that it was never granted. For the log."""

    worker: str
    key: str
    leases: int


class WorkerDraining(QueueEvent, frozen=True):
    """A worker takes no more tasks, and is about to leave. For people."""

    name: str


class WorkerGone(QueueEvent, frozen=True):
    """A worker left, or fell silent. For the log."""

    worker: str
    name: str
    silent: bool
    tasks: int


class LeaseGranted(QueueEvent, frozen=True):
    """Tasks were leased after waiting this long. For metrics."""

    service: str
    operation: str
    tasks: int
    waited_seconds: float


class LeaseExpired(QueueEvent, frozen=True):
    """A worker fell silent or forgot a lease. For metrics."""

    service: str
    tasks: int


class AttemptFailed(QueueEvent, frozen=True):
    """An attempt failed; the task may be tried again. For metrics."""

    service: str
    operation: str
    reason: Reason


class OutcomesDropped(QueueEvent, frozen=True):
    """Outcomes arrived for tasks that already had one. For metrics."""

    tasks: int


Event = QueueEvent | SharedStateEvent
