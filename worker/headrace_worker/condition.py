"""How a worker does, as the heart tells it."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_worker.pool.news import Progress


@dataclass(frozen=True, slots=True)
class Condition:
    """A worker at a moment."""

    busy: int
    rss_bytes: int
    draining: bool
    progress: tuple[Progress, ...]
