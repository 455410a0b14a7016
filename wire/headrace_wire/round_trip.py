"""How far away the coordinator is: what a message and its answer take on their way."""

from __future__ import annotations

from collections import deque

#: How many measurements count: the least of them. Others waited for something on their way.
MEASUREMENTS = 8

#: So many have to be there before the coordinator is known to be far: at the start of a worker
#: much takes long.
FIRST_MEASUREMENTS = 3

#: From so many seconds on it is far.
FAR_SECONDS = 0.01


class RoundTrip:
    """The least round trip of late, known after so many ``first`` measurements."""

    def __init__(self, first: int = FIRST_MEASUREMENTS) -> None:
        self._first = first
        self._seconds: deque[float] = deque(maxlen=MEASUREMENTS)

    def note(self, seconds: float) -> None:
        """A message and its answer took so long, without what the coordinator waited between."""
        self._seconds.append(max(0.0, seconds))

    @property
    def is_known(self) -> bool:
        """Whether there are measurements enough."""
        return len(self._seconds) >= self._first

    @property
    def seconds(self) -> float:
        """The least round trip of late; 0 where the coordinator is near, or as long as it is not
        known.
        """
        if not self.is_known:
            return 0.0
        least = min(self._seconds)
        return least if least >= FAR_SECONDS else 0.0
