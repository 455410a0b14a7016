"""Messages by which a client fetches the results of a job, or collects its outcomes."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from headrace_wire.bounds import Count, JobId, Payload, Seconds
from headrace_wire.message import Message
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.spans import NamedTasks, Span

#: How many pieces of what a client collects are planned at once.
MAX_PIECES = 64


class FetchRequest(Message):
    """A request for results past ``cursor`` (0 at first, then as in the last answer).

    ``seen`` tasks are known to have an outcome: the answer comes when there are others. If the job
    is ``known``, its parameters are not sent again.
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
    """Results past a cursor. ``complete`` means that the job is final and nothing is left to
    fetch.
    """

    status: JobStatus
    runs: Annotated[tuple[ResultSpan, ...], NamedTasks]
    cursor: Count
    complete: bool


class CollectRequest(Message):
    """A request for outcomes of an owned job past two cursors (0 at first, then as in the last
    answer).

    ``delivered`` names spans that need no longer be kept. For at most ``gather_seconds``, there is
    no answer before ``max_bytes`` are there, or the job is final.

    A client that is far away lets up to ``pieces`` be planned, each of ``max_bytes``, of the values
    past ``planned`` that are already there, and then requests several of them at the same time:
    with ``until``, the answer comes at once, and has the values up to that cursor, and failures
    only if ``pieces`` are to be planned as well.
    """

    job: JobId
    cursor: Count
    failure_cursor: Count
    max_bytes: Count
    wait_seconds: Seconds
    gather_seconds: Seconds
    delivered: Annotated[tuple[Span, ...], NamedTasks]
    pieces: Annotated[int, Meta(ge=0, le=MAX_PIECES)] = 0
    planned: Count = 0
    until: Count | None = None


class Collected(Message):
    """Outcomes in order of arrival, past the cursors.

    ``complete`` means that the job is final and nothing is left to collect. ``pieces`` are the
    cursors at which the planned pieces end: the first of them begins at ``planned`` or at
    ``cursor``, whichever is greater.
    """

    runs: Annotated[tuple[ResultSpan, ...], NamedTasks]
    cursor: Count
    failures: Annotated[tuple[TaskFailure, ...], NamedTasks]
    failure_cursor: Count
    complete: bool
    pieces: Annotated[tuple[Count, ...], Meta(max_length=MAX_PIECES)] = ()
