"""Limits how many events of one kind are logged, because others can cause any number of them."""

from __future__ import annotations

from headrace_wire.token_bucket import TokenBucket

#: How many lines about one kind of events are written at once, and how many more per second.
#: Further lines are counted.
LINES_AT_ONCE = 200
LINES_PER_SECOND = 5


class EventRateLimit(TokenBucket):
    """The token bucket for one kind of events."""

    def __init__(self, now: float) -> None:
        super().__init__(LINES_AT_ONCE, LINES_PER_SECOND, now)
