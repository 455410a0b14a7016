"""What a notebook shows of a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from headrace_wire.html import draw_bar, draw_card, draw_list
from headrace_wire.messages.views import Overview
from headrace_wire.messages.workers import WorkerStatus
from headrace_wire.words import count, format_bytes


def draw_overview(title: str, seen: Overview) -> str:
    """Return a table of the cluster's work and its slots."""
    jobs = [f"{number:,} {state}" for state, number in seen.jobs.items() if number]
    rows = (
        ("version", seen.version),
        ("slots", f"{seen.busy:,} of {seen.slots:,} busy"),
        ("jobs", ", ".join(jobs) or "none"),
        ("tasks", f"{seen.waiting:,} waiting, {seen.leased:,} leased"),
        ("speed", f"{count(round(seen.done_per_second), 'task')} a second"),
        ("work waits", seen.held),
        ("problem", seen.problem),
    )
    return draw_card(title, rows, draw_bar(seen.busy, seen.slots))


def draw_workers(workers: Sequence[WorkerStatus]) -> str:
    """Return a table of the workers, with one row each."""
    headings = ["worker", "host", "slots", "busy", "done", "failed", "memory"]
    rows = [
        [
            worker.name,
            worker.host,
            str(worker.slots),
            str(worker.busy),
            f"{worker.done:,}",
            f"{worker.failed:,}",
            format_bytes(worker.rss_bytes),
        ]
        for worker in workers
    ]
    return draw_list(count(len(workers), "worker"), headings, rows)
