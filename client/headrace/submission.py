"""How a job is handed over, whole or as a stream: what it is told, and the patience it takes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from msgspec import Struct

from headrace_services.service import Parameters, Plan
from headrace_wire.bounds import Name, Priority, Retries, Seconds, TimeLimit, check_fields
from headrace_wire.encoding import pack
from headrace_wire.errors import SpoolFullError
from headrace_wire.messages import JobSpec, WorkerStatus

T = TypeVar("T")

#: Bytes of inputs in one batch on their way to the coordinator; a single input may be larger.
PUT_BYTES = 1 << 20

#: Inputs in one batch on their way to the coordinator.
PUT_TASKS = 1000


class SubmitOptions(Struct, frozen=True):
    """What all jobs can be told; see JobSpec.

    Raises TypeError, and ValueError for what is not within its bounds.
    """

    name: Name = ""
    priority: Priority = 0
    timeout_seconds: TimeLimit | None = None
    retries: Retries | None = None
    retry_delay_seconds: Seconds = 0.5
    deadline_seconds: TimeLimit | None = None

    def __post_init__(self) -> None:
        check_fields(self)


def make_job_spec(
    service: str,
    operation: str,
    parameters: Parameters,
    options: SubmitOptions | None,
    *,
    tasks: int | None,
    carried: bool,
    owned: bool = False,
) -> JobSpec:
    """What the coordinator is told of a new job, with a new id."""
    options = options or SubmitOptions()
    return JobSpec(
        id=_make_job_id(),
        service=service,
        operation=operation,
        parameters=pack(dict(parameters)),
        tasks=tasks,
        carried=carried,
        name=options.name,
        priority=options.priority,
        timeout_seconds=options.timeout_seconds,
        retries=options.retries,
        retry_delay_seconds=options.retry_delay_seconds,
        deadline_seconds=options.deadline_seconds,
        owned=owned,
    )


def make_plan_spec(service: str, plan: Plan, options: SubmitOptions | None) -> JobSpec:
    """The same of a job that a service has planned."""
    carried = plan.inputs is not None
    tasks = None if carried else plan.tasks
    return make_job_spec(
        service, plan.operation, plan.parameters, options, tasks=tasks, carried=carried
    )


def cut_for_slots(service: str, plan: Plan, workers: Iterable[WorkerStatus]) -> Plan:
    """A plan that may be cut into tasks in several ways, cut for the slots that there are."""
    slots = sum(worker.slots for worker in workers if service in worker.engines)
    return plan.cut(slots) if plan.cut and slots else plan


def check_job_id(job_id: object) -> str:
    """A job's id. Raises TypeError for what is no text."""
    if not isinstance(job_id, str):
        raise TypeError(f"a job's id is a str, not {type(job_id).__name__} {job_id!r}")
    return job_id


def insist(call: Callable[[], T], on_held: Callable[[str], None]) -> T:
    """Repeat a call until the coordinator's spool has room for it; the coordinator waits.

    ``on_held`` is told why each time; what it raises ends this.
    """
    while True:
        try:
            return call()
        except SpoolFullError as error:
            on_held(error.message)


def _make_job_id() -> str:
    """A new job id: twelve characters that can be read out over a telephone."""
    return secrets.token_hex(6)


def gather_batches(inputs: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Inputs, as many as go into one call."""
    batch: list[bytes] = []
    size = 0
    for item in inputs:
        if batch and (size + len(item) > PUT_BYTES or len(batch) >= PUT_TASKS):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item)
    if batch:
        yield batch
