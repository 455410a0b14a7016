"""What the queue tells the world. The queue emits; store, metrics and waiting calls listen."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_coordinator.job_log import LogPart
from headrace_coordinator.shared.events import SharedStateEvent
from headrace_wire.messages import JobSpec, LogLine, TaskFailure


@dataclass(frozen=True, slots=True)
class JobSubmitted:
    """A job came in. To be stored."""

    spec: JobSpec
    submitted_at: float


@dataclass(frozen=True, slots=True)
class InputsPut:
    """A batch of ``stop - start`` inputs came in. To be stored."""

    job: str
    start: int
    stop: int
    inputs: bytes


@dataclass(frozen=True, slots=True)
class InputsDropped:
    """The inputs put as the chunk at ``start`` are needed no more. To be stored, some time."""

    job: str
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RunDone:
    """Tasks [start, stop) have their accepted values. To be stored."""

    job: str
    start: int
    stop: int
    values: bytes
    service: str
    operation: str


@dataclass(frozen=True, slots=True)
class TaskDead:
    """A task's attempts are exhausted. To be stored."""

    failure: TaskFailure
    service: str
    operation: str


@dataclass(frozen=True, slots=True)
class TaskRevived:
    """A dead task waits again, as if it had never been tried. To be stored."""

    job: str
    index: int


@dataclass(frozen=True, slots=True)
class AttemptsCounted:
    """Tasks [start, stop) wait again after this many attempts. To be stored.

    ``lost``: the last attempt ended with their worker.
    """

    job: str
    start: int
    stop: int
    attempts: int
    lost: bool


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job's state or counts changed. To be stored, once a commit."""

    job: str


@dataclass(frozen=True, slots=True)
class ResultsDropped:
    """A job's results are safe elsewhere: those of the tasks ``dropped``. To be stored."""

    job: str
    dropped: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class RunsDelivered:
    """The client has the values of the runs that begin at ``starts``. To be stored, some time.

    ``dropped`` are all tasks of the job whose values are kept no more.
    """

    job: str
    starts: tuple[int, ...]
    size_bytes: int
    dropped: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class LinesLogged:
    """Tasks of a job logged lines. To be stored."""

    job: str
    part: LogPart
    lines: tuple[LogLine, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LinesDropped:
    """Lines of a job are kept no more, as there are newer ones. To be stored."""

    job: str
    part: LogPart


@dataclass(frozen=True, slots=True)
class Counted:
    """The counters of a job's tasks grew. For metrics."""

    service: str
    operation: str
    growth: dict[str, float]


@dataclass(frozen=True, slots=True)
class CountersRefused:
    """A job's tasks count under more names than it may have. For the log."""

    job: str
    name: str


@dataclass(frozen=True, slots=True)
class JobExpired:
    """Nobody fetched from a job for so long that it is forgotten. For metrics and the log."""

    job: str
    result_bytes: int


@dataclass(frozen=True, slots=True)
class JobDeleted:
    """A job is forgotten. To be stored."""

    job: str


@dataclass(frozen=True, slots=True)
class WorkAppeared:
    """There are tasks to lease where there were none."""


@dataclass(frozen=True, slots=True)
class OrdersGiven:
    """A worker has orders to hear of."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerJoined:
    """A worker introduced itself. For the log."""

    name: str
    slots: int


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker took its leave, or fell silent. For the log."""

    worker: str
    name: str
    silent: bool
    tasks: int


@dataclass(frozen=True, slots=True)
class LeaseGranted:
    """Tasks were leased after waiting this long. For metrics."""

    service: str
    operation: str
    tasks: int
    waited_seconds: float


@dataclass(frozen=True, slots=True)
class LeaseExpired:
    """A worker fell silent or forgot a lease. For metrics."""

    service: str
    tasks: int


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt failed; the task may be tried again. For metrics."""

    service: str
    operation: str
    reason: str


@dataclass(frozen=True, slots=True)
class OutcomesDropped:
    """Outcomes arrived for tasks that had one. For metrics."""

    tasks: int


Event = (
    JobSubmitted
    | InputsPut
    | InputsDropped
    | RunDone
    | TaskDead
    | TaskRevived
    | AttemptsCounted
    | JobChanged
    | ResultsDropped
    | RunsDelivered
    | LinesLogged
    | LinesDropped
    | Counted
    | CountersRefused
    | JobExpired
    | JobDeleted
    | WorkAppeared
    | OrdersGiven
    | WorkerJoined
    | WorkerGone
    | LeaseGranted
    | LeaseExpired
    | AttemptFailed
    | OutcomesDropped
    | SharedStateEvent
)
