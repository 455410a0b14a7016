"""Running tasks as lines: where they run, for how long, and their progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.cli.figures import format_duration
from headrace.cli.logs import format_progress
from headrace_wire.messages.workers import RunningTask, TaskProgress
from headrace_wire.words import format_bytes


def describe_tasks(
    tasks: Iterable[RunningTask], progress: Iterable[TaskProgress] = (), *, of_worker: bool = False
) -> Iterator[str]:
    """Yield a line for each task. The lines of a worker's tasks contain the job."""
    said = {(one.job, one.index): one for one in progress}
    for task in tasks:
        own = said.pop((task.job, task.index), None)
        how_far = format_progress(own).partition(": ")[2] if own else ""
        where = f"slot {task.slot}" if of_worker else f"{task.worker} slot {task.slot}"
        which = f"job {task.job} task {task.index}" if of_worker else f"task {task.index}"
        tries = f", attempt {task.attempt}" if task.attempt > 1 else ""
        took = f"{format_duration(task.seconds)}, {format_bytes(task.rss_bytes)}"
        yield f"{where:<18} {which}{tries}  {took}  {how_far}".rstrip()
    for rest in said.values():  # reported since the worker's last heartbeat
        yield f"{rest.worker:<18} {format_progress(rest)}"
