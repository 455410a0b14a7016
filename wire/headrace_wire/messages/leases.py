"""Messages by which a worker requests work and receives it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from headrace_wire.bounds import (
    Count,
    Identifier,
    Index,
    JobId,
    Name,
    OptionalLabel,
    Parameters,
    Seconds,
    Slots,
    TimeLimit,
)
from headrace_wire.message import Message
from headrace_wire.messages.jobs import JobIds
from headrace_wire.messages.spans import Entries, Payloads

#: For how many jobs a worker reports how long their tasks take when it requests work.
MAX_TASK_TIMES = 16

JobSeconds = Annotated[dict[JobId, Seconds], Meta(max_length=MAX_TASK_TIMES)]


class LeaseRequest(Message):
    """A request for work. ``number`` counts a worker's requests: a repeated one gets the same
    grant.

    ``max_bytes`` is the maximum number of bytes of inputs; None leaves it to the coordinator. A
    worker that is far away reports its ``round_trip``, and how many seconds a task of some jobs
    takes there.
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

    ``parameters`` is None if the request said that the worker knows the job. ``inputs`` has one
    batch for each input chunk, with one item for each task in total; it is empty for derived jobs.
    ``token`` replaces a key for the tasks of this job, and ``trace`` is the job's. The worker sends
    the ``proof`` whenever it refers to the lease, because the coordinator may have been replaced.
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
    """The leases that answer one LeaseRequest; none if the wait was over first."""

    leases: Annotated[tuple[Lease, ...], Entries]
