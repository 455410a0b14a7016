"""How a worker does, as the agent's loop notes it and the heart tells it."""

from __future__ import annotations

from dataclasses import dataclass

from headrace_worker.pool.news import Progress


@dataclass(slots=True)
class Condition:
    """Written by the agent's loop, read by the heart; each field stands for itself."""

    busy: int = 0
    rss_bytes: int = 0
    draining: bool = False
    progress: tuple[Progress, ...] = ()
