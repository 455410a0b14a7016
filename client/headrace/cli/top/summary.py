"""The lines above the list: the coordinator, its slots, and all of its work."""

from __future__ import annotations

import time
from collections.abc import Iterator

from headrace.cli.figures import format_duration, format_speed
from headrace.cli.top.view import ClusterSnapshot
from headrace.cli.top.words import draw_bar
from headrace_wire.words import count

BAR_WIDTH = 22


def describe_cluster(snapshot: ClusterSnapshot, where: str) -> Iterator[str]:
    """Yield four lines about the whole cluster."""
    seen = snapshot.overview
    up = format_duration(max(0.0, time.time() - seen.started_at))
    yield f"headrace {seen.version} at {where}, up {up}"
    draining = f" ({seen.draining} draining)" if seen.draining else ""
    yield (
        f"{count(seen.workers, 'worker')}{draining}  {draw_bar(seen.busy, seen.slots, BAR_WIDTH)} "
        f"{seen.busy} of {count(seen.slots, 'slot')} busy"
    )
    jobs = [f"{number:,} {state}" for state, number in seen.jobs.items() if number]
    waiting = seen.waiting + seen.retrying
    yield f"jobs: {', '.join(jobs) or 'none'}"
    left = format_duration(seen.backlog_seconds)
    work = f"{waiting:,} waiting, {seen.leased:,} leased"
    work += f" ({left} of work)" if waiting or seen.leased else ""
    failed = f", {format_speed(seen.failed_per_second)} fail" if seen.failed_per_second else ""
    yield f"tasks: {work}, {format_speed(seen.done_per_second)} done{failed}"


def describe_trouble(snapshot: ClusterSnapshot) -> str:
    """Return what keeps the coordinator from its work; "" if nothing does."""
    if snapshot.overview.problem:
        return f"problem: {snapshot.overview.problem}"
    return f"work waits: {snapshot.overview.held}" if snapshot.overview.held else ""
