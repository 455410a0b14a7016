"""The outcome of a task that was run: a valid value, or a description of its failure."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from headrace_services.service import MAX_DETAIL_BYTES, MAX_VALUE_BYTES
from headrace_worker.link.failure import SUMMARY_CHARACTERS, Failure, clip, explain
from headrace_worker.link.runners import JobRunner


def check_value(value: object) -> None:
    """Raise TypeError or ValueError if a service must not return this value."""
    if type(value) is not bytes:
        raise TypeError(f"the service returned {type(value).__name__} where bytes are due")
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(
            f"the value has {len(value)} bytes, and {MAX_VALUE_BYTES} at most can travel: return "
            "less at a time, or write it to a file and return its path"
        )


def explain_failure(job: JobRunner, error: BaseException) -> Failure:
    """Describe an exception, with the details that the service has for its client. Never raises."""
    failure = explain(error)
    try:
        detail: Any = job.detail(error)
    except BaseException:  # noqa: BLE001 - a third party's bug must not hide the task's own error
        return failure
    if isinstance(detail, bytes) and len(detail) <= MAX_DETAIL_BYTES:
        return replace(failure, detail=bytes(detail))
    return failure


def describe_task(job: JobRunner, index: int, task_input: bytes | None) -> str:
    """Return the service's description of a task. Never raises."""
    try:
        return clip(str(job.describe(index, task_input)), SUMMARY_CHARACTERS)
    except BaseException as error:  # noqa: BLE001 - a third party's bug must not hide the task's own error
        return clip(f"(no description: {type(error).__name__})", SUMMARY_CHARACTERS)
