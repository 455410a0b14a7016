"""Every message that crosses the wire. The words are those of the README's glossary.

Times called ``…_at`` are Unix seconds, for people; durations are ``…_seconds``. ``parameters``,
``inputs`` and ``values`` are opaque bytes to the coordinator: encoded where they are made and
decoded where they are used.
"""

from __future__ import annotations

from headrace_wire.message import Message
from headrace_wire.record import field

#: Job states.
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = (
    "queued",
    "running",
    "succeeded",
    "failed",
    "cancelled",
)

#: Job states that nothing but ``retry`` or ``delete`` changes any more.
FINAL_STATES = frozenset({SUCCEEDED, FAILED, CANCELLED})

#: Counters of its tasks' own that a job may have.
MAX_COUNTERS = 100

#: Reasons for which a task fails.
ERROR, TIMEOUT, CRASH, OOM, LOST = "error", "timeout", "crash", "oom", "lost"

#: The reason for which a worker gives back a task that it is not allowed to do; others may be.
REFUSED = "refused"

#: The reason of a task that its client took back.
WITHDRAWN = "withdrawn"


class JobSpec(Message):
    """What a client submits. Its ``id`` is the client's, so that a repeated request is the same.

    ``tasks`` is None for a job whose inputs still stream in: it is sealed later. ``carried`` tells
    whether inputs are put; otherwise a task's index is enough to make its input.
    ``retries`` is None for the defaults: errors and timeouts are final, a crash or a lost worker is
    tried three times in all. ``retry_delay_seconds`` is the pause before the first retry; it
    doubles with each further one. ``deadline_seconds`` after its submission the job is ended; None
    for never. An ``owned`` job belongs to the client that submitted it: it is forgotten when that
    client falls silent, and its results as soon as the client has them.
    """

    id: str
    service: str
    operation: str
    parameters: bytes
    tasks: int | None
    carried: bool = False
    name: str = ""
    priority: int = 0
    timeout_seconds: float | None = None
    retries: int | None = None
    retry_delay_seconds: float = 0.5
    deadline_seconds: float | None = None
    owned: bool = False


class JobStatus(Message):
    """A job as it stands.

    ``waiting_for`` says in words why nothing runs, ``ended_because`` what cut the job short; else
    they are "". ``counters`` are those of its tasks' own, as far as their outcomes were accepted.
    """

    id: str
    state: str
    service: str
    operation: str
    name: str
    priority: int
    parameters: bytes
    tasks: int
    sealed: bool
    waiting: int
    leased: int
    retrying: int
    done: int
    failed: int
    cancelled: int
    retries: int | None
    timeout_seconds: float | None
    deadline_seconds: float | None
    cpu_seconds: float
    busy_seconds: float
    bytes_in: int
    bytes_out: int
    submitted_at: float
    started_at: float | None
    finished_at: float | None
    wall_seconds: float | None
    results_kept: bool
    waiting_for: str
    ended_because: str
    counters: dict[str, float] = field(default_factory=dict[str, float])


class WorkerInfo(Message):
    """How a worker introduces itself; ``id`` is new at each boot."""

    id: str
    name: str
    host: str
    process: int
    slots: int
    slots_limit: str
    start_method: str
    version: str
    engines: dict[str, str]


class HeldRun(Message):
    """A lease that a worker holds when it introduces itself again, as it was granted.

    ``request`` is the number of the request that it answered.
    """

    lease: int
    job: str
    start: int
    stop: int
    attempt: int
    request: int = 0


class Registration(Message):
    """The coordinator's answer to a WorkerInfo."""

    lease_seconds: float
    heartbeat_seconds: float


class WorkerStatus(Message):
    """A worker as the coordinator sees it. ``heard_seconds`` is the time since its last word."""

    id: str
    name: str
    host: str
    process: int
    slots: int
    slots_limit: str
    start_method: str
    version: str
    engines: dict[str, str]
    busy: int
    leased: int
    done: int
    failed: int
    cpu_seconds: float
    rss_bytes: int
    connected_at: float
    heard_seconds: float
    draining: bool


class LeaseRequest(Message):
    """Ask for work. ``number`` counts a worker's requests: a repeated one gets the same grant."""

    worker: str
    number: int
    free_slots: int
    wait_seconds: float
    known_jobs: tuple[str, ...]


class Lease(Message):
    """An exclusive hold on tasks [start, stop) of a job.

    ``parameters`` is None where the request said that the worker knows the job. ``inputs`` holds
    one batch for each input chunk, together one item for each task; it is empty for derived jobs.
    """

    id: int
    job: str
    service: str
    operation: str
    parameters: bytes | None
    start: int
    stop: int
    attempt: int
    timeout_seconds: float | None
    inputs: tuple[bytes, ...]


class Grant(Message):
    """The leases that answer one LeaseRequest; none when the wait was over first."""

    leases: tuple[Lease, ...]


class TaskProgress(Message):
    """How far a running task says it is; ``of`` is None where it does not know of how much."""

    job: str
    index: int
    worker: str
    done: float
    of: float | None


class Heartbeat(Message):
    """A worker is there: what it holds and how it does. ``request`` is the last answered one.

    ``orders`` is the number that came with the last orders it had.
    """

    worker: str
    request: int
    leases: tuple[int, ...]
    busy: int
    rss_bytes: int
    draining: bool
    wait_seconds: float
    orders: int = 0
    progress: tuple[TaskProgress, ...] = ()


class TaskName(Message):
    """One task of a job."""

    job: str
    index: int


class Orders(Message):
    """The answer to a Heartbeat. A worker that is not ``known`` registers again.

    ``hand_back``: return all that has not started. Orders are repeated until a heartbeat comes with
    their ``number``.
    """

    known: bool
    cancelled_jobs: tuple[str, ...]
    cancelled_tasks: tuple[TaskName, ...] = ()
    number: int = 0
    hand_back: bool = False


class DoneRun(Message):
    """Tasks [start, stop) are done; ``values`` is a batch of one value for each.

    ``counters`` is what the tasks' own counters grew by in all of the run. A run that has any is
    accepted whole or not at all.
    """

    lease: int
    job: str
    start: int
    stop: int
    values: bytes
    cpu_seconds: float
    busy_seconds: float
    counters: dict[str, float] = field(default_factory=dict[str, float])


class TaskFailure(Message):
    """One attempt failed. ``signal`` is a signal's name or ""; ``summary`` names the input.

    ``detail`` is what the task's service tells its client of an exception; opaque to all others.
    """

    lease: int
    job: str
    index: int
    attempt: int
    reason: str
    signal: str
    error_type: str
    message: str
    traceback: str
    summary: str
    worker: str
    cpu_seconds: float
    busy_seconds: float
    detail: bytes = b""


class ReturnedRun(Message):
    """Tasks [start, stop) are handed back without having been started."""

    lease: int
    job: str
    start: int
    stop: int


class Sample(Message):
    """How much a worker's counter grew since its last report.

    ``labels`` are alternating names and values. For a histogram ``buckets`` holds the growth of
    each bucket (not cumulative, the last one is +Inf) and ``value`` that of the sum.
    """

    name: str
    labels: tuple[str, ...]
    value: float
    buckets: tuple[int, ...] = ()


class LogLine(Message):
    """A line that a task logged. ``level`` is a word such as "info"."""

    at: float
    level: str
    worker: str
    index: int
    text: str


class JobLines(Message):
    """Log lines of one job's tasks; ``dropped`` more were too many for the worker."""

    job: str
    lines: tuple[LogLine, ...]
    dropped: int


class Report(Message):
    """Outcomes, log lines and metric samples of one worker; ``number`` counts from 1."""

    worker: str
    number: int
    done: tuple[DoneRun, ...]
    failures: tuple[TaskFailure, ...]
    returned: tuple[ReturnedRun, ...]
    samples: tuple[Sample, ...]
    logs: tuple[JobLines, ...] = ()


class Receipt(Message):
    """A report is committed. ``dropped`` tasks had an accepted outcome already."""

    accepted: int
    dropped: int


class Span(Message):
    """Tasks [start, stop)."""

    start: int
    stop: int


class FetchRequest(Message):
    """Ask for results past ``cursor`` (0 at first, then as the last answer said).

    ``seen`` tasks are known to have an outcome: there is an answer when there are others.
    """

    job: str
    cursor: int
    ordered: bool
    max_bytes: int
    wait_seconds: float
    seen: int


class ResultRun(Message):
    """Values of tasks [start, stop), as a batch."""

    start: int
    stop: int
    values: bytes


class Fetched(Message):
    """Results past a cursor. ``complete``: the job is final and nothing is left to fetch."""

    status: JobStatus
    runs: tuple[ResultRun, ...]
    cursor: int
    complete: bool


class CollectRequest(Message):
    """Ask for outcomes of an owned job past two cursors (0 at first, then as the last answer said).

    ``delivered`` names runs that need not be kept any more. For ``gather_seconds`` at most there is
    no answer before ``max_bytes`` are there, or the job is final.
    """

    job: str
    cursor: int
    failure_cursor: int
    max_bytes: int
    wait_seconds: float
    gather_seconds: float
    delivered: tuple[Span, ...]


class Collected(Message):
    """Outcomes as they came, past the cursors.

    ``complete``: the job is final and nothing is left to collect.
    """

    runs: tuple[ResultRun, ...]
    cursor: int
    failures: tuple[TaskFailure, ...]
    failure_cursor: int
    complete: bool


class LogRequest(Message):
    """Ask for a job's log lines past ``cursor`` (0 at first, then as the last answer said)."""

    job: str
    cursor: int
    wait_seconds: float


class LogPage(Message):
    """Log lines past a cursor, the oldest first.

    ``dropped`` lines of the job are not kept. ``complete``: the job is final and has no more.
    """

    lines: tuple[LogLine, ...]
    cursor: int
    dropped: int
    complete: bool


class CoordinatorInfo(Message):
    """How the coordinator does, for health checks."""

    version: str
    protocol: int
    uptime_seconds: float
    workers: int
    slots: int
    jobs: int
    store_ok: bool
    problem: str
