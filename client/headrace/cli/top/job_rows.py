"""Jobs as the rows of a table."""

from __future__ import annotations

import time
from collections.abc import Mapping

from headrace.cli.figures import format_duration, format_part, format_speed
from headrace.cli.show import describe_work, format_age
from headrace.cli.top.columns import Column
from headrace.cli.top.words import draw_bar, find_part_done
from headrace_wire.messages.jobs import RUNNING, JobStatus

BAR_WIDTH = 12

COLUMNS = (
    Column("ID", 12),
    Column("STATE", 9),
    Column("DONE", 5, is_number=True),
    Column("PROGRESS", BAR_WIDTH, rank=2),
    Column("TASKS", 11, is_number=True, rank=1),
    Column("SPEED", 7, is_number=True),
    Column("LEFT", 8, is_number=True),
    Column("FAILED", 6, is_number=True),
    Column("AGE", 10, is_number=True, rank=3),
    Column("BY", 10, rank=4),
    Column("WORK", 24),
)


def make_row(status: JobStatus) -> Mapping[str, str]:
    """Return the cells of one job by their headings."""
    done, of = find_part_done(status)
    is_running = status.state == RUNNING
    return {
        "ID": status.id,
        "STATE": status.state,
        "DONE": format_part(done, of),
        "PROGRESS": draw_bar(done, of, BAR_WIDTH),
        "TASKS": f"{status.tasks:,}",
        "SPEED": format_speed(status.speed) if is_running else "",
        "LEFT": format_duration(status.left_seconds) if is_running else "",
        "FAILED": f"{status.failed:,}",
        "AGE": format_age(status.submitted_at, time.time()),
        "BY": status.submitted_by,
        "WORK": describe_job(status),
    }


def describe_job(status: JobStatus) -> str:
    """Return what the job does, its name, and what it waits for or why it ended."""
    why = status.waiting_for or status.ended_because
    named = f" ({status.name})" if status.name else ""
    return describe_work(status) + named + (f": {why}" if why else "")


def is_meant(status: JobStatus, text: str) -> bool:
    """Return whether the job's fields contain all of these words, in any case."""
    names = (status.id, status.name, status.function, status.submitted_by)
    known = " ".join((*names, status.state, status.service, status.operation)).casefold()
    return all(word in known for word in text.casefold().split())
