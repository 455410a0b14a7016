"""How much may be told of one kind of events: anybody may cause any number of them."""

from __future__ import annotations

#: Lines about one kind of events that are written however fast these come, and how many more in a
#: second: what is beyond them is counted.
LINES_AT_ONCE = 200
LINES_PER_SECOND = 5

#: Tasks of one job that are told one by one when many fail at the same time.
MOST_DEATHS_AT_ONCE = 5


class Budget:
    """What may be written of one kind of events: some at once, and then some in a second."""

    def __init__(self, now: float) -> None:
        self._lines, self._at = float(LINES_AT_ONCE), now
        self.left_out = 0

    def take(self, now: float) -> bool:
        """Whether one more line may be written."""
        earned = (now - self._at) * LINES_PER_SECOND
        self._lines, self._at = min(self._lines + earned, float(LINES_AT_ONCE)), now
        if self._lines < 1:
            self.left_out += 1
            return False
        self._lines -= 1
        return True
