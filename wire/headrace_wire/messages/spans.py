"""Messages that name tasks: one, a span of them, or a span that a worker holds by a lease."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from headrace_wire.bounds import MAX_ENTRIES, MAX_NAMED_TASKS, Count, Index, JobId, Name, Payload
from headrace_wire.message import Message

#: Bounds of lists, and of lists with an entry for each of several tasks.
Entries = Meta(max_length=MAX_ENTRIES)
NamedTasks = Meta(max_length=MAX_NAMED_TASKS)

Payloads = Annotated[tuple[Payload, ...], NamedTasks]


class TaskName(Message):
    """One task of a job."""

    job: JobId
    index: Index


class Span(Message):
    """Tasks [start, stop)."""

    start: Index
    stop: Index


class LeasedSpan(Message):
    """Tasks [start, stop) of a job, which a worker holds by a lease."""

    lease: Count
    job: JobId
    start: Index
    stop: Index


class HeldSpan(LeasedSpan):
    """A lease, as it was granted, that a worker holds when it registers again or reports.

    ``request`` is the number of the request that it answered, and ``proof`` is the lease's.
    """

    attempt: Count
    request: Count = 0
    proof: Name = ""
