"""The filters that templates use to format the contents of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from headrace_coordinator.web import display
from headrace_coordinator.web.rows import job_fields, worker_fields
from headrace_wire.alike import explain_failure
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.views import ClusterEvent
from headrace_wire.messages.workers import WorkerStatus

#: The appearance of each kind of event: that of a state of a job or worker.
EVENT_STATES = {
    "job-submitted": "queued",
    "job-started": "running",
    "job-succeeded": "succeeded",
    "job-failed": "failed",
    "job-cancelled": "cancelled",
    "job-retried": "running",
    "job-deleted": "cancelled",
    "job-expired": "cancelled",
    "task-failed": "failed",
    "worker-joined": "succeeded",
    "worker-left": "cancelled",
    "worker-silent": "silent",
    "worker-draining": "draining",
    "work-waits": "draining",
}


def failure_line(failure: TaskFailure) -> str:
    """Return what happened to a task, with the name of its input if it has one."""
    said = explain_failure(failure)
    return f"{failure.summary}: {said}" if failure.summary else said


class _Blank(dict[str, Any]):
    """The fields of a row that a template in the page keeps for later rows."""

    def __missing__(self, key: str) -> Any:
        parts = ("done", "dead", "retrying", "leased", "cancelled")
        return [(part, 0.0) for part in parts] if key == "bar" else ""


def _job_fields(job: JobStatus | None) -> dict[str, Any]:
    return job_fields(job) if job else _Blank()


def _worker_fields(worker: WorkerStatus | None) -> dict[str, Any]:
    return worker_fields(worker) if worker else _Blank()


def _event_state(kind: str) -> str:
    return EVENT_STATES.get(kind, "")


def _event_subject(event: ClusterEvent) -> str:
    return event.job[:12] if event.job else event.worker


def _event_href(event: ClusterEvent) -> str:
    if event.job:
        return f"/jobs/{quote(event.job, safe='')}"
    return f"/workers/{quote(event.worker, safe='')}" if event.worker else ""


FILTERS: dict[str, Callable[..., Any]] = {
    "age": display.age,
    "amount": display.amount,
    "count": display.count,
    "duration": display.duration,
    "event_href": _event_href,
    "event_state": _event_state,
    "event_subject": _event_subject,
    "failure_line": failure_line,
    "iso": display.iso,
    "job_fields": _job_fields,
    "moment": display.moment,
    "size": display.size,
    "tasks": display.tasks,
    "worker_fields": _worker_fields,
}
