"""The lines above the list: the coordinator, its slots, and its work in all."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.cli.top.view import Sight
from headrace.cli.top.words import draw_bar, format_duration, format_speed
from headrace_wire.messages import QUEUED, RUNNING
from headrace_wire.words import count

BAR_WIDTH = 22


def describe_cluster(sight: Sight, where: str) -> Iterator[str]:
    """Three lines about all that there is."""
    info = sight.info
    yield f"headrace {info.version} at {where}, up {format_duration(info.uptime_seconds)}"
    busy = sum(worker.busy for worker in sight.workers)
    yield (
        f"{count(len(sight.workers), 'worker')}  {draw_bar(busy, info.slots, BAR_WIDTH)} "
        f"{busy} of {count(info.slots, 'slot')} busy"
    )
    states = [job.state for job in sight.jobs]
    waiting = sum(job.waiting + job.retrying for job in sight.jobs)
    failed = sum(job.failed for job in sight.jobs if job.finished_at is None)
    yield (
        f"{count(info.jobs, 'job')}: {states.count(RUNNING)} running, {states.count(QUEUED)} queued"
        f"  {count(waiting, 'task')} waiting, {failed:,} failed"
        f"  {format_speed(sight.tasks_per_second)}"
    )


def describe_trouble(sight: Sight) -> str:
    """What keeps the coordinator from its work; "" if nothing does."""
    if sight.info.problem:
        return f"problem: {sight.info.problem}"
    return f"work waits: {sight.info.held}" if sight.info.held else ""
