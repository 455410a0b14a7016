"""Every message that crosses the wire. The words are those of the README's glossary.

Times called ``…_at`` are Unix seconds, for people; durations are ``…_seconds``. ``parameters``,
``inputs`` and ``values`` are opaque bytes to the coordinator: encoded where they are made and
decoded where they are used. What a field may hold is said by its annotation; see
``headrace_wire.bounds``.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from headrace_wire.bounds import (
    MAX_COUNTERS,
    MAX_ENTRIES,
    MAX_NAMED_TASKS,
    MAX_RUNNING_TOLD,
    MAX_SERVICES,
    MAX_SLOTS,
    Amount,
    Count,
    Identifier,
    Index,
    JobId,
    Label,
    Moment,
    Name,
    OptionalIdentifier,
    OptionalLabel,
    Parameters,
    Payload,
    Priority,
    Retries,
    Seconds,
    Slots,
    Text,
    TimeLimit,
)
from headrace_wire.html import draw_bar, draw_card, write_time
from headrace_wire.message import Message
from headrace_wire.newer import STAND_INS
from headrace_wire.words import format_bytes

#: The state of a job.
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]

QUEUED: Final = "queued"
RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

#: Job states that nothing but ``retry`` or ``delete`` changes any more.
FINAL_STATES: frozenset[State] = frozenset({SUCCEEDED, FAILED, CANCELLED})

#: The engine of workers that open pickled calls: a client that opens pickled values takes them of
#: such workers alone.
PICKLED_CALLS = "calls+pickle"

#: The service of jobs that nobody runs: their one input is data which other jobs refer to.
DATA_SERVICE = "data"

#: The operation of such a job: the data goes with its client, or with the job whose id follows.
KEEP = "keep"
KEEP_FOR = "keep:"

#: Why a task failed; a label of metrics.
Reason = Literal["error", "timeout", "crash", "oom", "lost", "refused", "withdrawn"]

ERROR: Final = "error"
TIMEOUT: Final = "timeout"
CRASH: Final = "crash"
OOM: Final = "oom"
LOST: Final = "lost"

#: The reason for which a worker returns a task that it is not allowed to do; others may be.
REFUSED: Final = "refused"

#: The reason of a task that its client took back.
WITHDRAWN: Final = "withdrawn"

# A failure for a reason that a later version has is a failure all the same.
STAND_INS[Reason] = ERROR

#: The type of a timeout that is no fault of the task: the initializer before it did not end.
INITIALIZER_TIMEOUT = "InitializerTimeout"

#: Bounds of lists, and of lists with an entry for each of several tasks.
Entries = Meta(max_length=MAX_ENTRIES)

#: Jobs of which a worker tells how long their tasks take when it asks for work.
MAX_TASK_TIMES = 16
NamedTasks = Meta(max_length=MAX_NAMED_TASKS)

#: Leases that one report can be of: to look at the proof of each takes a moment.
ReportedLeases = Meta(max_length=10_000)

JobIds = Annotated[tuple[JobId, ...], Entries]
JobSeconds = Annotated[dict[JobId, Seconds], Meta(max_length=MAX_TASK_TIMES)]
Payloads = Annotated[tuple[Payload, ...], NamedTasks]

#: What tasks counted under names of their own: those of a job, and those in one span of tasks.
Counters = Annotated[dict[Label, Amount], Meta(max_length=MAX_COUNTERS)]
Growth = Annotated[dict[Label, Amount], Entries]

#: What each service of a worker does its work with.
Engines = Annotated[dict[Identifier, Name], Meta(max_length=MAX_SERVICES)]


class JobSpec(Message):
    """What a client submits. Its ``id`` is the client's, so that a repeated request is the same.

    ``tasks`` is None for a job whose inputs still stream in: it is sealed later. ``carried`` tells
    whether inputs are put; otherwise a task's index is enough to make its input.
    ``retries`` is None for the defaults: errors and timeouts are final, a crash or a lost worker is
    tried three times in all. ``retry_delay_seconds`` is the pause before the first retry; it
    doubles with each further one. ``deadline_seconds`` after its submission the job is ended; None
    for never. An ``owned`` job belongs to the client that submitted it: it is forgotten when that
    client falls silent, and its results as soon as the client has them. ``function`` names for
    people what its tasks call, "" where they call none. Only of a worker with the engine that it
    ``needs`` are values taken, if it needs one. ``trace`` is the span beneath which its tasks are
    traced, as a ``traceparent`` of W3C's Trace Context, or "".
    """

    id: JobId
    service: Identifier
    operation: Identifier
    parameters: Parameters
    tasks: Index | None
    carried: bool = False
    name: Name = ""
    priority: Priority = 0
    timeout_seconds: TimeLimit | None = None
    retries: Retries | None = None
    retry_delay_seconds: Seconds = 0.5
    deadline_seconds: TimeLimit | None = None
    owned: bool = False
    function: Name = ""
    needs: OptionalIdentifier = ""
    trace: OptionalLabel = ""


class JobStatus(Message):
    """A job as it stands.

    ``waiting_for`` says in words why nothing runs, ``ended_because`` what cut the job short; else
    they are "". ``counters`` are those of its tasks' own, as far as their outcomes were accepted.
    ``started_at`` is when its first task was leased for the first time. ``wall_seconds`` are those
    since it was submitted, to its end, without those between an end and its being run again.
    ``done_per_second`` is how quickly its tasks were done as of late, None where it does not run.
    ``number`` grows from each job to the next. ``submitted_by`` names the key of whoever submitted
    it, where that is known. In lists of jobs ``parameters`` are left out. Of a job that has
    ``expired`` nothing but this is left, as it was at its end, without the parameters, and what its
    ``task_runs``, ``task_times`` and ``failure_groups`` tell; all else is empty.
    """

    id: JobId
    state: State
    service: Identifier
    operation: Identifier
    name: Name
    priority: Priority
    parameters: Parameters
    tasks: Index
    sealed: bool
    waiting: Index
    leased: Index
    retrying: Index
    done: Index
    failed: Index
    cancelled: Index
    retries: Retries | None
    timeout_seconds: TimeLimit | None
    deadline_seconds: TimeLimit | None
    cpu_seconds: Amount
    busy_seconds: Amount
    bytes_in: Count
    bytes_out: Count
    submitted_at: Moment
    started_at: Moment | None
    finished_at: Moment | None
    wall_seconds: Amount | None
    results_kept: bool
    waiting_for: Text
    ended_because: Text
    counters: Counters = field(default_factory=dict[str, float])
    number: Count = 0
    function: Name = ""
    submitted_by: OptionalLabel = ""
    expired: bool = False
    done_per_second: Amount | None = None

    @property
    def speed(self) -> float | None:
        """Tasks that are done in a second: as of late while it runs, and else on the whole.

        None where that is not known.
        """
        if self.state in FINAL_STATES:
            return self.done / self.wall_seconds if self.wall_seconds else None
        return self.done_per_second

    @property
    def left_seconds(self) -> float | None:
        """Seconds until it ends, if it goes on like this; None where that is not known."""
        if not self.done_per_second or not self.sealed or self.state in FINAL_STATES:
            return None
        return (self.tasks - self.done - self.failed) / self.done_per_second

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        counts = (
            (self.done, "done"),
            (self.failed, "failed"),
            (self.cancelled, "cancelled"),
            (self.leased, "leased"),
            (self.retrying, "retrying"),
            (self.waiting, "waiting"),
        )
        told = ", ".join(f"{number:,} {word}" for number, word in counts if number)
        why = self.waiting_for or self.ended_because
        seconds = self.wall_seconds
        rows = (
            ("state", f"{self.state}: {why}" if why else self.state),
            ("work", f"{self.service} {self.function or self.operation}"),
            ("name", self.name),
            ("tasks", f"{self.tasks:,}: {told}" if told else f"{self.tasks:,}"),
            ("submitted", write_time(self.submitted_at)),
            ("by", self.submitted_by),
            ("took", "" if seconds is None else f"{seconds:.2f} s"),
            ("in slots", f"{self.cpu_seconds:.2f} s CPU"),
        )
        return draw_card(f"job {self.id}", rows, draw_bar(self.done, self.tasks))


class JobFilter(Message):
    """Which jobs to list: of these states (of any, if none is named), of this service ("" for any),
    submitted at or after ``since``; so many at most, 0 for as many as an answer has room for.

    ``text`` is in the id, the name, the function, the service or the operation, in large letters or
    small ones; ``submitted_by`` names the key of whoever submitted them. "" stands for any.
    ``past`` jobs are those that have expired, and others are not listed then.
    """

    states: Annotated[tuple[State, ...], Meta(max_length=5)] = ()
    service: OptionalIdentifier = ""
    since: Moment = 0.0
    limit: Count = 0
    text: Name = ""
    submitted_by: OptionalLabel = ""
    past: bool = False


class WorkerInfo(Message):
    """How a worker introduces itself; ``id`` is new at each boot.

    ``cores`` may be a part of one, and ``memory_limit_bytes`` is that of its container, 0 if it has
    none. ``python`` is a version. ``engine`` is what runs its tasks, such as its own pool, and
    ``engines`` has the library with which it does the work of each of its services.
    """

    id: Identifier
    name: Label
    host: Name
    process: Count
    slots: Slots
    slots_limit: Name
    start_method: Name
    version: Name
    engines: Engines
    cores: Amount
    memory_limit_bytes: Count
    python: Name
    engine: Identifier


class LeasedSpan(Message):
    """Tasks [start, stop) of a job, which a worker holds by a lease."""

    lease: Count
    job: JobId
    start: Index
    stop: Index


class HeldSpan(LeasedSpan):
    """A lease that a worker holds when it introduces itself again or reports, as it was granted.

    ``request`` is the number of the request that it answered, ``proof`` is the lease's.
    """

    attempt: Count
    request: Count = 0
    proof: Name = ""


class Registration(Message):
    """The coordinator's answer to a WorkerInfo."""

    lease_seconds: Seconds
    heartbeat_seconds: Seconds


class WorkerStatus(WorkerInfo):
    """A worker as the coordinator sees it. ``heard_seconds`` is the time since its last word.

    ``id`` follows from the one by which the worker speaks, which is for the coordinator alone.
    ``cpu_percent`` is that of all its processes together: 100 for each core that is busy.
    """

    busy: Count
    leased: Index
    done: Count
    failed: Count
    cpu_seconds: Amount
    rss_bytes: Count
    connected_at: Moment
    heard_seconds: Amount
    draining: bool
    cpu_percent: Amount = 0.0

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        limit = f" of {format_bytes(self.memory_limit_bytes)}" if self.memory_limit_bytes else ""
        rows = (
            ("state", "draining" if self.draining else ""),
            ("host", f"{self.host}, process {self.process}"),
            ("slots", f"{self.busy} of {self.slots} busy, limited by {self.slots_limit}"),
            ("tasks", f"{self.leased:,} held, {self.done:,} done, {self.failed:,} failed"),
            ("CPU", f"{self.cpu_percent:.0f} %, {self.cores:g} cores"),
            ("memory", format_bytes(self.rss_bytes) + limit),
            ("heard", f"{self.heard_seconds:.0f} s ago"),
            ("version", f"{self.version}, Python {self.python}"),
            ("engine", self.engine),
            ("services", "; ".join(f"{name}: {library}" for name, library in self.engines.items())),
        )
        return draw_card(f"worker {self.name}", rows, draw_bar(self.busy, self.slots))


class LeaseRequest(Message):
    """Ask for work. ``number`` counts a worker's requests: a repeated one gets the same grant.

    ``max_bytes`` is how many bytes of inputs to grant at most; None leaves it to the coordinator.
    A worker far away tells its ``round_trip``, and how many seconds a task of some jobs takes here.
    """

    worker: Identifier
    number: Count
    free_slots: Slots
    wait_seconds: Seconds
    known_jobs: JobIds
    max_bytes: Count | None = None
    round_trip: Seconds = 0.0
    task_seconds: JobSeconds = field(default_factory=dict[str, float])


class Lease(Message):
    """An exclusive hold on tasks [start, stop) of a job.

    ``parameters`` is None where the request said that the worker knows the job. ``inputs`` holds
    one batch for each input chunk, together one item for each task; it is empty for derived jobs.
    ``token`` is for the tasks of this job, in place of a key; ``trace`` is the job's. The worker
    shows the ``proof`` whenever it speaks of the lease, to a coordinator that may be another one.
    """

    id: Count
    job: JobId
    service: Identifier
    operation: Identifier
    parameters: Parameters | None
    start: Index
    stop: Index
    attempt: Count
    timeout_seconds: TimeLimit | None
    inputs: Payloads
    token: Name = ""
    trace: OptionalLabel = ""
    proof: Name = ""


class Grant(Message):
    """The leases that answer one LeaseRequest; none when the wait was over first."""

    leases: Annotated[tuple[Lease, ...], Entries]


class TaskProgress(Message):
    """How far a running task says it is; ``of`` is None where it does not know of how much."""

    job: JobId
    index: Index
    worker: OptionalLabel
    done: Amount
    of: Amount | None


class RunningTask(Message):
    """A task that a worker's slot runs, for how long, and the memory that the slot takes.

    ``slot`` is the number in the name of the slot's process. In a worker's own words ``worker`` is
    "", as its name is known.
    """

    job: JobId
    index: Index
    attempt: Count
    worker: OptionalLabel
    slot: Count
    seconds: Amount
    rss_bytes: Count


class TaskTime(Message):
    """How long tasks [start, stop), done one after another, took in all, and on which worker.

    ``attempt`` is the one at which they were done, 0 if that is not known any more.
    """

    start: Index
    stop: Index
    worker: OptionalLabel
    cpu_seconds: Seconds
    busy_seconds: Seconds
    attempt: Count = 0


class Heartbeat(Message):
    """A worker is there: what it holds and how it does. ``request`` is the last answered one.

    ``orders`` is the number that came with the last orders it had.
    """

    worker: Identifier
    request: Count
    leases: Annotated[tuple[Count, ...], Entries]
    busy: Count
    rss_bytes: Count
    draining: bool
    wait_seconds: Seconds
    orders: Count = 0
    progress: Annotated[tuple[TaskProgress, ...], Meta(max_length=MAX_SLOTS)] = ()
    running: Annotated[tuple[RunningTask, ...], Meta(max_length=MAX_RUNNING_TOLD)] = ()
    cpu_percent: Amount = 0.0


class TaskName(Message):
    """One task of a job."""

    job: JobId
    index: Index


class Orders(Message):
    """The answer to a Heartbeat. A worker that is not ``known`` registers again.

    ``hand_back``: return all that has not started. ``drain``: take nothing new, and go. Orders are
    repeated until a heartbeat comes with their ``number``. ``waited_seconds`` is for how long the
    coordinator had nothing to say: what an answer takes beyond that is its way.
    """

    known: bool
    cancelled_jobs: JobIds
    cancelled_tasks: Annotated[tuple[TaskName, ...], NamedTasks] = ()
    number: Count = 0
    hand_back: bool = False
    drain: bool = False
    waited_seconds: Seconds = 0.0


class DoneSpan(LeasedSpan):
    """Tasks [start, stop) are done; ``values`` is a batch of one value for each.

    ``counters`` is what the tasks' own counters grew by in all of the span. A span that has any
    is accepted whole or not at all. ``durations`` counts tasks by how long they took, in the
    buckets of ``samples.TASK_SECONDS_BOUNDS``; a single task needs none.
    """

    values: Payload
    cpu_seconds: Seconds
    busy_seconds: Seconds
    counters: Growth = field(default_factory=dict[str, float])
    durations: Annotated[tuple[Count, ...], Meta(max_length=100)] = ()


class TaskFailure(Message):
    """One attempt failed. ``signal`` is a signal's name or ""; ``summary`` names the input.

    ``detail`` is what the task's service tells its client of an exception; opaque to all others.
    """

    lease: Count
    job: JobId
    index: Index
    attempt: Count
    reason: Reason
    signal: OptionalIdentifier = ""
    error_type: Text = ""
    message: Text = ""
    traceback: Text = ""
    summary: Text = ""
    worker: OptionalLabel = ""
    cpu_seconds: Seconds = 0.0
    busy_seconds: Seconds = 0.0
    detail: Payload = b""


class ReturnedSpan(LeasedSpan):
    """Tasks [start, stop) are handed back without having been started."""


class Sample(Message):
    """How much a worker's counter grew since its last report.

    ``labels`` are alternating names and values. For a histogram ``buckets`` holds the growth of
    each bucket (not cumulative, the last one is +Inf) and ``value`` that of the sum.
    """

    name: Identifier
    labels: Annotated[tuple[OptionalLabel, ...], Meta(max_length=16)]
    value: Amount
    buckets: Annotated[tuple[Count, ...], Meta(max_length=100)] = ()


class LogLine(Message):
    """A line that a task logged or printed.

    ``level`` is a word such as "info"; "print" and "stderr" for what it wrote to standard output
    and to standard error. ``attempt`` 0 is not known.
    """

    at: Moment
    level: OptionalLabel
    worker: OptionalLabel
    index: Index
    text: Text
    attempt: Count = 0


class JobLines(Message):
    """Log lines of one job's tasks."""

    job: JobId
    lines: Annotated[tuple[LogLine, ...], Entries]


class Report(Message):
    """Outcomes, log lines and metric samples of one worker; ``number`` counts from 1.

    ``held`` are the leases of the outcomes, and one of each job that there are only lines of: a
    coordinator that was started meanwhile knows by them what the worker was granted before.
    """

    worker: Identifier
    number: Count
    done: Annotated[tuple[DoneSpan, ...], NamedTasks]
    failures: Annotated[tuple[TaskFailure, ...], NamedTasks]
    returned: Annotated[tuple[ReturnedSpan, ...], NamedTasks]
    samples: Annotated[tuple[Sample, ...], Entries]
    logs: Annotated[tuple[JobLines, ...], Entries] = ()
    held: Annotated[tuple[HeldSpan, ...], ReportedLeases] = ()


class Receipt(Message):
    """A report is committed. ``dropped`` tasks had an accepted outcome already."""

    accepted: Index
    dropped: Index


class Span(Message):
    """Tasks [start, stop)."""

    start: Index
    stop: Index


class FetchRequest(Message):
    """Ask for results past ``cursor`` (0 at first, then as the last answer said).

    ``seen`` tasks are known to have an outcome: there is an answer when there are others. To who
    says that the job is ``known`` its parameters are not sent again.
    """

    job: JobId
    cursor: Count
    ordered: bool
    max_bytes: Count
    wait_seconds: Seconds
    seen: Count
    known: bool = False


class ResultSpan(Span):
    """Values of tasks [start, stop), as a batch."""

    values: Payload


class Fetched(Message):
    """Results past a cursor. ``complete``: the job is final and nothing is left to fetch."""

    status: JobStatus
    runs: Annotated[tuple[ResultSpan, ...], NamedTasks]
    cursor: Count
    complete: bool


class CollectRequest(Message):
    """Ask for outcomes of an owned job past two cursors (0 at first, then as the last answer said).

    ``delivered`` names spans that need no longer be kept. For ``gather_seconds`` at most there is
    no answer before ``max_bytes`` are there, or the job is final.
    """

    job: JobId
    cursor: Count
    failure_cursor: Count
    max_bytes: Count
    wait_seconds: Seconds
    gather_seconds: Seconds
    delivered: Annotated[tuple[Span, ...], NamedTasks]


class Collected(Message):
    """Outcomes as they came, past the cursors.

    ``complete``: the job is final and nothing is left to collect.
    """

    runs: Annotated[tuple[ResultSpan, ...], NamedTasks]
    cursor: Count
    failures: Annotated[tuple[TaskFailure, ...], NamedTasks]
    failure_cursor: Count
    complete: bool


class LogRequest(Message):
    """Ask for a job's log lines past ``cursor`` (0 at first, then as the last answer said)."""

    job: JobId
    cursor: Count
    wait_seconds: Seconds


class LogPage(Message):
    """Log lines past a cursor, the oldest first.

    ``dropped`` lines of the job, the oldest ones, are not kept. ``complete``: the job is final and
    has no more.
    """

    lines: Annotated[tuple[LogLine, ...], NamedTasks]
    cursor: Count
    dropped: Count
    complete: bool


class CoordinatorInfo(Message):
    """How the coordinator does, for health checks. ``held`` says why work waits for room.

    ``page`` is where its page is served, such as ``http://127.0.0.1:7380``, "" if it has none.
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
