"""Jobs and workers as JSON objects and as tables."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Collection, Sequence
from typing import Any

from msgspec.structs import asdict

from headrace.cli.figures import format_duration, format_speed
from headrace.cli.printing import say_json, say_text, tell
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import TaskTime
from headrace_wire.messages.jobs import CANCELLED, JobStatus
from headrace_wire.messages.workers import WorkerStatus
from headrace_wire.printing import clean_line
from headrace_wire.words import count, format_bytes


def describe_work(status: JobStatus) -> str:
    """Return what a job does: the function that its tasks call, or the service's operation."""
    return f"{status.service} {status.function or status.operation}"


def show_status(status: JobStatus) -> dict[str, Any]:
    """Return a job as a JSON object, with the names of the glossary."""
    return {
        "id": status.id,
        "name": status.name,
        "state": status.state,
        "service": status.service,
        "operation": status.operation,
        "function": status.function,
        "priority": status.priority,
        "tasks": status.tasks,
        "done": status.done,
        "failed": status.failed,
        "waiting": status.waiting,
        "leased": status.leased,
        "retrying": status.retrying,
        "cancelled": status.cancelled,
        "waiting_for": status.waiting_for,
        "ended_because": status.ended_because,
        "submitted_at": format_time(status.submitted_at),
        "submitted_by": status.submitted_by,
        "started_at": format_time(status.started_at),
        "finished_at": format_time(status.finished_at),
        "wall_seconds": status.wall_seconds,
        "done_per_second": status.done_per_second,
        "cpu_seconds": status.cpu_seconds,
        "bytes_in": status.bytes_in,
        "bytes_out": status.bytes_out,
        "results_kept": status.results_kept,
        "expired": status.expired,
        "counters": status.counters,
    }


def _count_unfinished(status: JobStatus) -> list[str]:
    """Return how many of a job's tasks are in each state except done, if there are any."""
    counts = [
        (status.failed, "failed"),
        (status.leased, "leased"),
        (status.waiting, "waiting"),
        (status.retrying, "retrying"),
        (status.cancelled, "cancelled" if status.state == CANCELLED else "undone"),
    ]
    return [f"{number:,} {word}" for number, word in counts if number]


def describe_progress(status: JobStatus) -> str:
    """Return the state of a job and how far it is, in a few words."""
    done = f"{status.done:,} of {count(status.tasks, 'task')} done"
    return f"job {status.id} is {status.state}: " + ", ".join([done, *_count_unfinished(status)])


def describe_status(status: JobStatus) -> list[tuple[str, str]]:
    """Return everything that is known about a job, as names and values for people."""
    counts = [f"{status.done:,} done"] if status.done else []
    counts += _count_unfinished(status)
    why = status.waiting_for or status.ended_because
    lines = [
        ("id", status.id),
        ("name", status.name),
        ("state", status.state + (f": {why}" if why else "")),
        ("work", describe_work(status)),
        ("tasks", f"{status.tasks:,}: " + ", ".join(counts)),
        ("submitted", format_time(status.submitted_at) or ""),
        ("by", status.submitted_by),
        ("started", format_time(status.started_at) or ""),
        ("finished", format_time(status.finished_at) or ""),
        ("speed", _describe_speed(status)),
        ("wall", f"{status.wall_seconds:.2f} s" if status.wall_seconds is not None else ""),
        ("cpu", f"{status.cpu_seconds:.2f} s in slots"),
        ("carried", f"{format_bytes(status.bytes_in)} in, {format_bytes(status.bytes_out)} out"),
        ("results", _describe_results(status)),
    ]
    return [(word, value) for word, value in lines if value]


def _describe_speed(status: JobStatus) -> str:
    """Return how quickly the job runs and how long the rest takes; "" if this is not known."""
    if status.done_per_second is None:
        return ""
    speed = f"{format_speed(status.done_per_second)} of late"
    left = status.left_seconds
    return speed if left is None else f"{speed}, {format_duration(left)} left"


def show_change(status: JobStatus, *, as_json: bool) -> None:
    """Print a job in the state in which a command has left it."""
    if as_json:
        say_json(show_status(status))
    else:
        tell(f"headrace: {describe_progress(status)}")


def show_failure(failure: TaskFailure) -> dict[str, Any]:
    """Return a failed task as a JSON object."""
    return {
        "index": failure.index,
        "summary": failure.summary,
        "reason": failure.reason,
        "signal": failure.signal,
        "error_type": failure.error_type,
        "message": failure.message,
        "traceback": failure.traceback,
        "attempt": failure.attempt,
        "worker": failure.worker,
        "busy_seconds": failure.busy_seconds,
        "cpu_seconds": failure.cpu_seconds,
    }


def show_time(time: TaskTime) -> dict[str, Any]:
    """Return how long tasks took, as a JSON object."""
    return asdict(time)


def describe_time(time: TaskTime) -> str:
    """Return how long tasks took, for people."""
    tasks = time.stop - time.start
    which = f"task {time.start}" if tasks == 1 else f"tasks {time.start} to {time.stop - 1}"
    took = f"{time.busy_seconds:.2f} s" + (
        f" ({time.busy_seconds / tasks:.2g} s each)" if tasks > 1 else ""
    )
    attempt = f" (attempt {time.attempt})" if time.attempt > 1 else ""
    where = f"on {time.worker or 'an unknown worker'}{attempt}"
    return f"{which}: {took}, {time.cpu_seconds:.2f} s CPU, {where}"


def show_worker(worker: WorkerStatus) -> dict[str, Any]:
    """Return a worker as a JSON object."""
    return {**asdict(worker), "connected_at": format_time(worker.connected_at)}


def format_time(unix_seconds: float | None) -> str | None:
    """Return an ISO 8601 time in UTC, to the second."""
    if unix_seconds is None:
        return None
    moment = dt.datetime.fromtimestamp(unix_seconds, dt.UTC)
    return moment.isoformat(timespec="seconds")


def format_age(unix_seconds: float, now: float) -> str:
    """Return how long ago that was, for a terminal, on which an ISO time would be too long."""
    seconds = max(0.0, now - unix_seconds)
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def say_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers: Collection[str] = (),
    beneath: Sequence[str] = (),
) -> None:
    """Print a table. On a terminal it is made to fit, and the columns ``numbers`` are
    right-aligned.

    If it is too wide, the columns ``beneath`` are moved below their rows, in this order.
    """
    if sys.stdout.isatty():
        from headrace.cli.tables import draw_table  # noqa: PLC0415 - rich is only for terminals

        say_text(draw_table(headings, rows, numbers, beneath))
    else:
        say_text(f"{format_table(headings, rows)}\n")


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns that are as wide as necessary, two spaces apart."""
    lines = [headings, *([clean_line(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _describe_results(status: JobStatus) -> str:
    if status.expired:
        return "expired, as all of it but this summary"
    return "kept" if status.results_kept else "delivered and dropped"
