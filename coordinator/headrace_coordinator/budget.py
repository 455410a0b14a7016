"""How much may be told of one kind of events: anybody may cause any number of them."""

from __future__ import annotations

from headrace_wire.allowance import Allowance

#: Lines about one kind of events that are written however fast these come, and how many more in a
#: second: what is beyond them is counted.
LINES_AT_ONCE = 200
LINES_PER_SECOND = 5


class Budget(Allowance):
    """What may be written of one kind of events: some at once, and then some in a second."""

    def __init__(self, now: float) -> None:
        super().__init__(LINES_AT_ONCE, LINES_PER_SECOND, now)
