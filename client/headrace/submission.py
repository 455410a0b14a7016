"""How a job is handed over, whole or as a stream: what it is told, and the patience it takes."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from headrace_services.service import Parameters
from headrace_wire.bounds import Name, Priority, Retries, Seconds, TimeLimit, check_fields
from headrace_wire.encoding import pack
from headrace_wire.errors import SpoolFullError
from headrace_wire.messages import JobSpec

T = TypeVar("T")


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
