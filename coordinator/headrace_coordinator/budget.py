"""Limits how many events of one kind are logged, since anybody may cause any number of them."""

from __future__ import annotations

from headrace_wire.allowance import Allowance

#: Lines about one kind of events that are written however fast these come, and how many more in a
#: second: what is beyond them is counted.
LINES_AT_ONCE = 200
LINES_PER_SECOND = 5


class Budget(Allowance):
    """The token bucket for one kind of events."""

    def __init__(self, now: float) -> None:
        super().__init__(LINES_AT_ONCE, LINES_PER_SECOND, now)
