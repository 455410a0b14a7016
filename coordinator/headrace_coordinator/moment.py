"""A moment, as every transition is told it: the queue has no clock of its own."""

from __future__ import annotations

from typing import NamedTuple


class Now(NamedTuple):
    """A moment: ``monotonic`` seconds for all reckoning, Unix seconds ``at`` for people only."""

    monotonic: float
    at: float
