"""Messages by which a worker reports the outcomes of its tasks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from headrace_wire.bounds import (
    Amount,
    Count,
    Identifier,
    Index,
    Label,
    OptionalLabel,
    Payload,
    Seconds,
)
from headrace_wire.message import Message
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.logs import JobLines
from headrace_wire.messages.spans import Entries, HeldSpan, LeasedSpan, NamedTasks

#: How many leases one report may refer to, because checking the proof of each takes a moment.
ReportedLeases = Meta(max_length=10_000)

#: The growth of the counters that the tasks of a span have defined.
Growth = Annotated[dict[Label, Amount], Entries]


class DoneSpan(LeasedSpan):
    """Tasks [start, stop) are done; ``values`` is a batch with one value for each.

    ``counters`` has the growth of the tasks' own counters in the whole span. A span with counters
    is accepted completely or not at all. ``durations`` counts tasks by how long they took, in the
    buckets of ``samples.TASK_SECONDS_BOUNDS``; a single task needs none.
    """

    values: Payload
    cpu_seconds: Seconds
    busy_seconds: Seconds
    counters: Growth = field(default_factory=dict[str, float])
    durations: Annotated[tuple[Count, ...], Meta(max_length=100)] = ()


class ReturnedSpan(LeasedSpan):
    """Tasks [start, stop) are handed back without having been started."""


class Sample(Message):
    """How much a worker's counter grew since its last report.

    ``labels`` are alternating names and values. For a histogram, ``buckets`` has the growth of each
    bucket (not cumulative, the last one is +Inf) and ``value`` that of the sum.
    """

    name: Identifier
    labels: Annotated[tuple[OptionalLabel, ...], Meta(max_length=16)]
    value: Amount
    buckets: Annotated[tuple[Count, ...], Meta(max_length=100)] = ()


class Report(Message):
    """Outcomes, log lines and metric samples of one worker; ``number`` counts from 1.

    ``held`` has the leases of the outcomes, and one for each job of which there are only lines, so
    that a coordinator that was started meanwhile knows what the worker was granted before.
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
    """A report is committed. ``dropped`` tasks already had an accepted outcome."""

    accepted: Index
    dropped: Index
