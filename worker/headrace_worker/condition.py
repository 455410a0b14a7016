"""How a worker does, as heartbeats tell it."""

from __future__ import annotations

from msgspec import Struct

from headrace_worker.link.messages import Progress


class Condition(Struct, frozen=True):
    """A worker at a moment."""

    busy: int
    rss_bytes: int
    draining: bool
    progress: tuple[Progress, ...]
