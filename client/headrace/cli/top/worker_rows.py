"""Workers as the rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headrace.cli.figures import format_speed
from headrace.cli.show import format_time
from headrace.cli.top.columns import Column
from headrace.cli.top.speeds import Speeds
from headrace.cli.top.words import draw_bar
from headrace_wire.messages.workers import WorkerStatus
from headrace_wire.words import format_bytes

BAR_WIDTH = 12

COLUMNS = (
    Column("NAME", 16),
    Column("BUSY", 9, is_number=True),
    Column("SLOTS", BAR_WIDTH, rank=3),
    Column("SPEED", 7, is_number=True),
    Column("DONE", 11, is_number=True, rank=1),
    Column("FAILED", 6, is_number=True),
    Column("CPU", 6, is_number=True),
    Column("MEMORY", 8, is_number=True),
    Column("HEARD", 8, is_number=True, rank=2),
    Column("HOST", 16, rank=4),
    Column("STATE", 10),
)


def make_row(status: WorkerStatus, speeds: Speeds) -> Mapping[str, str]:
    """Return the cells of one worker by their headings."""
    return {
        "NAME": status.name,
        "BUSY": f"{status.busy} of {status.slots}",
        "SLOTS": draw_bar(status.busy, status.slots, BAR_WIDTH),
        "SPEED": format_speed(speeds.find(status.id)),
        "DONE": f"{status.done:,}",
        "FAILED": f"{status.failed:,}",
        "CPU": f"{status.cpu_percent:.0f} %",
        "MEMORY": format_bytes(status.rss_bytes),
        "HEARD": f"{status.heard_seconds:.0f} s ago",
        "HOST": status.host,
        "STATE": describe_state(status),
    }


def describe_state(status: WorkerStatus) -> str:
    """Return one word for what a worker does."""
    if status.draining:
        return "draining"
    return "busy" if status.busy else "idle"


def ask_to_drain(name: str) -> str:
    """Return the question before a worker is drained."""
    return f"Drain worker {name}? It takes nothing new, finishes what it runs, and goes."


def is_meant(status: WorkerStatus, text: str) -> bool:
    """Return whether the worker's fields contain all of these words, in any case."""
    known = " ".join([status.name, status.id, status.host, describe_state(status), *status.engines])
    return all(word in known.casefold() for word in text.casefold().split())


def describe_worker(status: WorkerStatus) -> Iterator[tuple[str, str]]:
    """Yield everything that is known about a worker, as names and values for people."""
    yield "id", status.id
    yield "state", describe_state(status)
    yield "host", f"{status.host}, process {status.process}"
    yield "slots", f"{status.slots}, by {status.slots_limit}; {status.busy} busy"
    yield "start", status.start_method
    yield "holds", f"{status.leased:,} tasks"
    yield "done", f"{status.done:,}"
    yield "failed", f"{status.failed:,}"
    yield "cpu", f"{status.cpu_seconds:.2f} s in slots"
    yield "uses", f"{status.cpu_percent:.0f} % CPU, {format_bytes(status.rss_bytes)}"
    limit = format_bytes(status.memory_limit_bytes) if status.memory_limit_bytes else "no limit"
    yield "has", f"{status.cores:g} cores, {limit} of memory"
    yield "connected", format_time(status.connected_at) or ""
    yield "heard", f"{status.heard_seconds:.0f} s ago"
    yield "version", f"{status.version}, Python {status.python}, engine {status.engine}"
    for name, library in status.engines.items():
        yield "service", f"{name}: {library}"
