"""One worker, and the tasks that run: for people and as JSON objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import asdict

from headrace.cli.show import format_time, show_worker
from headrace_wire.messages.views import WorkerView
from headrace_wire.messages.workers import RunningTask
from headrace_wire.words import format_bytes

#: Running tasks that are shown for people, and for programs.
RUNNING_SHOWN = 20
MAX_RUNNING = 10_000

#: Seconds that a task of a job runs before people are told of it.
LONG_SECONDS = 1.0


def show_view(view: WorkerView) -> dict[str, Any]:
    """A worker as a JSON object, with what it runs and how it did."""
    return {
        **show_worker(view.status),
        "running": [show_running(task) for task in view.running],
        "points": [{**asdict(point), "at": format_time(point.at)} for point in view.points],
    }


def show_running(task: RunningTask) -> dict[str, Any]:
    """A running task as a JSON object."""
    return asdict(task)


def describe_running(task: RunningTask) -> str:
    """A task that runs, such as ``task 7 for 12.3 s on gpu1, attempt 2, 131.1 MB``."""
    attempt = f", attempt {task.attempt}" if task.attempt > 1 else ""
    memory = f", {format_bytes(task.rss_bytes)}" if task.rss_bytes else ""
    return f"task {task.index} for {task.seconds:.1f} s on {task.worker}{attempt}{memory}"


def pick_long(tasks: Iterable[RunningTask]) -> list[RunningTask]:
    """Those that have run for a while: others are over before people have read of them."""
    return [task for task in tasks if task.seconds >= LONG_SECONDS]
