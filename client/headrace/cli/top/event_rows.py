"""What happened to jobs and workers, as the rows of a table."""

from __future__ import annotations

from collections.abc import Mapping

from headrace.cli.top.columns import Column
from headrace.cli.top.words import write_clock
from headrace_wire.messages.views import ClusterEvent

COLUMNS = (
    Column("TIME", 8),
    Column("EVENT", 15),
    Column("JOB", 12),
    Column("WORKER", 14, rank=1),
    Column("WHAT", 24),
)


def make_row(event: ClusterEvent) -> Mapping[str, str]:
    """Return the cells of one event by their headings."""
    return {
        "TIME": write_clock(event.at),
        "EVENT": event.kind,
        "JOB": event.job,
        "WORKER": event.worker,
        "WHAT": event.text,
    }


def is_meant(event: ClusterEvent, text: str) -> bool:
    """Return whether the event's fields contain all of these words, in any case."""
    known = f"{event.kind} {event.job} {event.worker} {event.text}".casefold()
    return all(word in known for word in text.casefold().split())
