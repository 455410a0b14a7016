"""How far away the coordinator is: the time that a message and its answer take."""

from __future__ import annotations

from collections import deque

#: How many measurements are kept, of which the least counts: the others were delayed by something.
MEASUREMENTS = 8

#: How many there must be before the coordinator is considered far away: many things are slow when a
#: worker starts.
FIRST_MEASUREMENTS = 3

#: From this many seconds on, it is far away.
FAR_SECONDS = 0.01


class RoundTrip:
    """The least recent round trip, known after the ``first`` measurements."""

    def __init__(self, first: int = FIRST_MEASUREMENTS) -> None:
        self._first = first
        self._seconds: deque[float] = deque(maxlen=MEASUREMENTS)

    def note(self, seconds: float) -> None:
        """Note that a message and its answer took this long, without the time that the coordinator
        waited.
        """
        self._seconds.append(max(0.0, seconds))

    @property
    def is_known(self) -> bool:
        """Whether there are enough measurements."""
        return len(self._seconds) >= self._first

    @property
    def seconds(self) -> float:
        """The least recent round trip in seconds; 0 if the coordinator is near, or if not known
        yet.
        """
        if not self.is_known:
            return 0.0
        least = min(self._seconds)
        return least if least >= FAR_SECONDS else 0.0
