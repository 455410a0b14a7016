"""Messages by which a worker asks for work, and is granted it."""

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

#: Jobs of which a worker tells how long their tasks take when it asks for work.
MAX_TASK_TIMES = 16

JobSeconds = Annotated[dict[JobId, Seconds], Meta(max_length=MAX_TASK_TIMES)]


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
