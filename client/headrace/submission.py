"""Describes a job, whole or as a stream, to the coordinator, and submits it with retries."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from typing import TypeVar

from msgspec import Struct

from headrace_services.service import Parameters, Plan
from headrace_wire.bounds import MAX_NAME_CHARACTERS, check_fields
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import ServiceMissingError, SpoolFullError, UsageError
from headrace_wire.messages.jobs import JobSpec, JobStatus
from headrace_wire.messages.workers import PICKLED_CALLS, WorkerStatus

log = logging.getLogger(__name__)

T = TypeVar("T")


class SubmitOptions(Struct, frozen=True):
    """Options of a job.

    ``name`` is a label for people. Jobs of a higher ``priority``, from -100 to 100, run first. A
    task that takes longer than ``timeout_seconds`` is stopped. A failed task is tried again
    ``retries`` times, first after ``retry_delay_seconds`` and then after twice as long each time.
    If ``retries`` is None, a task that raised an exception or took too long is not tried again, and
    a task whose process died or whose worker was lost is tried three times in all. The job ends
    ``deadline_seconds`` after its submission.

    Raises TypeError, and ValueError for values that are out of bounds.
    """

    name: str = ""
    priority: int = 0
    timeout_seconds: float | None = None
    retries: int | None = None
    retry_delay_seconds: float = 0.5
    deadline_seconds: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, JobSpec)


def make_job_spec(
    service: str,
    operation: str,
    parameters: Parameters,
    options: SubmitOptions | None,
    *,
    tasks: int | None,
    carried: bool,
    owned: bool = False,
    job_id: str = "",
) -> JobSpec:
    """Describe a new job to the coordinator; it has a new id if none is given.

    Raises UsageError for parameters that cannot be sent.
    """
    options = options or SubmitOptions()
    try:
        packed = pack(dict(parameters))
    except (TypeError, OverflowError) as error:
        raise UsageError(f"the job's parameters cannot be sent: {error}") from None
    return JobSpec(
        id=job_id or make_job_id(),
        service=service,
        operation=operation,
        parameters=packed,
        tasks=tasks,
        carried=carried,
        name=options.name,
        priority=options.priority,
        timeout_seconds=options.timeout_seconds,
        retries=options.retries,
        retry_delay_seconds=options.retry_delay_seconds,
        deadline_seconds=options.deadline_seconds,
        owned=owned,
        function=_name_function(parameters) if service == "calls" else "",
        needs=PICKLED_CALLS if parameters.get("serializer") == "cloudpickle" else "",
    )


def describe_span(about: JobSpec | JobStatus) -> dict[str, str | int]:
    """Return the attributes of a tracing span for a job."""
    named: dict[str, str | int] = {"name": about.name} if about.name else {}
    operation = about.function or about.operation
    return {"job": about.id, "service": about.service, "operation": operation, **named}


def _name_function(parameters: Parameters) -> str:
    """Return the name of the function that tasks call, which is complete if it is sent by name."""
    for name in (parameters.get("function"), parameters.get("label")):
        if isinstance(name, str) and name.isprintable():
            return name[:MAX_NAME_CHARACTERS]
    return ""


def advise_on_service(error: ServiceMissingError, spec: JobSpec) -> ServiceMissingError:
    """Return the same error with the options that let a worker run a job of calls."""
    if spec.service != "calls":
        return error
    parameters = unpack(spec.parameters)
    options = [
        option
        for option, is_needed in (
            ("--allow-ship", "ship" in parameters),
            ("--allow-pickle", parameters.get("serializer") == "cloudpickle"),
        )
        if is_needed
    ]
    if not options:
        module, by_name, _ = _name_function(parameters).partition(":")
        options = [f"--allow {module if by_name else 'MODULE'}"]
    return ServiceMissingError(f"{error.message}, such as `headrace worker {' '.join(options)}`")


def cut_for_slots(service: str, plan: Plan, workers: Iterable[WorkerStatus]) -> Plan:
    """Divide a plan into tasks for the present number of slots, if it can be divided in several
    ways.
    """
    slots = sum(worker.slots for worker in workers if service in worker.engines)
    return plan.cut(slots) if plan.cut and slots else plan


def check_job_id(job_id: object) -> str:
    """Return a job's id. Raises TypeError if it is not a string."""
    if not isinstance(job_id, str):
        raise TypeError(f"a job's id is a str, not {type(job_id).__name__} {job_id!r}")
    return job_id


def wait_for_room(call: Callable[[], T], on_held: Callable[[str], None]) -> T:
    """Repeat a call until the coordinator's spool has room for it; the coordinator waits.

    ``on_held`` is called with the reason each time; an exception that it raises ends the wait.
    """
    while True:
        try:
            return call()
        except SpoolFullError as error:
            on_held(error.message)


class HeldNotice:
    """Logs the reason of a wait for room, once, for a program that has no callback for it."""

    def __init__(self) -> None:
        self._is_told = False

    def __call__(self, held_because: str) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning("headrace: waiting to submit: %s", held_because)


def make_job_id() -> str:
    """Return a new job id: twelve characters that can be read out over a telephone."""
    return secrets.token_hex(6)
