"""Messages about jobs: what a client submits, the status of a job, and which jobs to list."""

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

#: Job states that only ``retry`` or ``delete`` can change.
FINAL_STATES: frozenset[State] = frozenset({SUCCEEDED, FAILED, CANCELLED})

#: The service of jobs that nobody runs: their only input is data to which other jobs refer.
DATA_SERVICE = "data"

#: The operation of such a job: the data belongs to its client, or to the job whose id follows.
KEEP = "keep"
KEEP_FOR = "keep:"

JobIds = Annotated[tuple[JobId, ...], Entries]

#: The values of the counters that the tasks of a job have defined.
Counters = Annotated[dict[Label, Amount], Meta(max_length=MAX_COUNTERS)]


class JobSpec(Message):
    """What a client submits. The client chooses its ``id``, so that a repeated request is the same
    job.

    ``tasks`` is None if the inputs are still being sent; the job is sealed later. ``carried`` means
    that inputs are put; otherwise the input of a task is made from its index. ``retries`` is None
    for the defaults: errors and timeouts are final, and a task that crashes or loses its worker is
    tried three times in total. ``retry_delay_seconds`` is the pause before the first retry; it
    doubles with each further one. ``deadline_seconds`` after its submission the job is ended; None
    for never. An ``owned`` job belongs to the client that submitted it: it is deleted when that
    client falls silent, and its results as soon as the client has them. ``function`` names for
    people what its tasks call, "" if they call nothing. If ``needs`` names an engine, values are
    only accepted from workers that have it. ``trace`` is the tracing span under which its tasks are
    recorded, as a ``traceparent`` of W3C's Trace Context, or "".
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
    """The status of a job.

    ``waiting_for`` says why nothing runs, and ``ended_because`` what ended the job early; otherwise
    they are "". ``counters`` are those that its tasks defined, from accepted outcomes.
    ``started_at`` is when its first task was leased for the first time. ``wall_seconds`` is the
    time from its submission to its end, without the time between an end and being run again.
    ``done_per_second`` is how quickly its tasks were recently done, None if it does not run.
    ``number`` increases from each job to the next. ``submitted_by`` names the key with which it was
    submitted, if known. Lists of jobs do not contain ``parameters``. For a job that has
    ``expired``, only this status remains, as it was at its end and without the parameters, together
    with ``task_runs``, ``task_times`` and ``failure_groups``; everything else is empty.
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
        """How many tasks are done per second: recently while it runs, otherwise in total.

        None if not known.
        """
        if self.state in FINAL_STATES:
            return self.done / self.wall_seconds if self.wall_seconds else None
        return self.done_per_second

    @property
    def left_seconds(self) -> float | None:
        """How many seconds it will still run at the present speed; None if not known, or if nothing
        runs.
        """
        if not self.done_per_second or not self.sealed or self.state in FINAL_STATES:
            return None
        if self.waiting_for:
            return None
        return (self.tasks - self.done - self.failed) / self.done_per_second

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
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
    submitted at or after ``since``; at most ``limit`` of them, 0 for as many as an answer can
    contain.

    ``text`` is searched in the id, name, function, service and operation, ignoring case.
    ``submitted_by`` names the key with which they were submitted. "" stands for any. If ``past``,
    only jobs that have expired are listed.
    """

    states: Annotated[tuple[State, ...], Meta(max_length=5)] = ()
    service: OptionalIdentifier = ""
    since: Moment = 0.0
    limit: Count = 0
    text: Name = ""
    submitted_by: OptionalLabel = ""
    past: bool = False
