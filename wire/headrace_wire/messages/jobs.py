"""Messages about jobs: what a client submits, how a job stands, and which of them to list."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from headrace_wire.bounds import (
    MAX_COUNTERS,
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
    Priority,
    Retries,
    Seconds,
    Text,
    TimeLimit,
)
from headrace_wire.html import draw_bar, draw_card, write_time
from headrace_wire.message import Message
from headrace_wire.messages.spans import Entries

#: The state of a job.
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]

QUEUED: Final = "queued"
RUNNING: Final = "running"
SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"

#: Job states that nothing but ``retry`` or ``delete`` changes any more.
FINAL_STATES: frozenset[State] = frozenset({SUCCEEDED, FAILED, CANCELLED})

#: The service of jobs that nobody runs: their one input is data which other jobs refer to.
DATA_SERVICE = "data"

#: The operation of such a job: the data goes with its client, or with the job whose id follows.
KEEP = "keep"
KEEP_FOR = "keep:"

JobIds = Annotated[tuple[JobId, ...], Entries]

#: What the tasks of a job counted under names of their own.
Counters = Annotated[dict[Label, Amount], Meta(max_length=MAX_COUNTERS)]


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
