"""How a worker does, as the heart tells it."""

from __future__ import annotations

from headrace_wire.record import Record
from headrace_worker.pool.news import Progress


class Condition(Record):
    """A worker at a moment."""

    busy: int
    rss_bytes: int
    draining: bool
    progress: tuple[Progress, ...]
