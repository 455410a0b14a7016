"""The time that is passed to every transition, because the queue has no clock of its own."""

from __future__ import annotations

from typing import NamedTuple


class Now(NamedTuple):
    """A point in time: ``monotonic`` seconds for all computations, Unix seconds ``at`` for
    people.
    """

    monotonic: float
    at: float
