"""One worker and its running tasks, for people and as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict

from headrace.cli.show import format_time, show_worker
from headrace_wire.messages.views import WorkerView
from headrace_wire.messages.workers import RunningTask
from headrace_wire.words import format_bytes

#: The maximum number of running tasks that are shown for people, and for programs.
RUNNING_SHOWN = 20
MAX_RUNNING = 10_000

#: How many seconds a task of a job must have run before people are shown it.
LONG_SECONDS = 1.0


def show_view(view: WorkerView) -> dict[str, Any]:
    """Return a worker as a JSON object, with what it runs and its last hour."""
    return {
        **show_worker(view.status),
        "running": [show_running(task) for task in view.running],
        "points": [{**asdict(point), "at": format_time(point.at)} for point in view.points],
    }


def show_running(task: RunningTask) -> dict[str, Any]:
    """Return a running task as a JSON object."""
    return asdict(task)


def describe_running(task: RunningTask) -> str:
    """Return a running task such as ``task 7 for 12.3 s on gpu1, attempt 2, 131.1 MB``."""
    attempt = f", attempt {task.attempt}" if task.attempt > 1 else ""
    memory = f", {format_bytes(task.rss_bytes)}" if task.rss_bytes else ""
    return f"task {task.index} for {task.seconds:.1f} s on {task.worker}{attempt}{memory}"


def pick_long(tasks: Iterable[RunningTask]) -> list[RunningTask]:
    """Return the tasks that have run for a while. Others end before people have read about them."""
    return [task for task in tasks if task.seconds >= LONG_SECONDS]
