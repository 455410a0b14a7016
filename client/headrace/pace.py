"""How many calls of an executor are handed over, after which they cannot be cancelled any more.

As in ``ProcessPoolExecutor`` that is one for each process and one that waits. Quick calls need
more, or the processes would wait for the next ones: as many as end in a moment.
"""

from __future__ import annotations

import math
from collections import Counter

#: Seconds of work that may wait at the processes, beyond one call.
AHEAD_SECONDS = 0.2

#: Seconds over which calls are counted, at least, to say how many are over in a second.
MEASURE_SECONDS = 0.005

#: Seconds without calls after which their speed is forgotten.
FORGET_SECONDS = 0.5

#: By how much a speed falls at most in a measurement in which it was not needed, or not reached.
FADE = 0.9
LEAST_LEFT = 0.5


class Pace:
    """Counts calls by what they call. ``now`` is a monotonic clock. Not thread safe."""

    def __init__(self, slots: int, delay_seconds: float = 0.0) -> None:
        #: Processes that there are for the calls.
        self.slots = slots
        #: How long a message and its answer take.
        self.delay_seconds = delay_seconds
        self._speeds: dict[str, float] = {}
        self._over: Counter[str] = Counter()
        self._since = -math.inf
        self._idle_since = -math.inf
        self._limited = False
        self.out = 0

    def has_room(self, name: str, others: int = 0) -> bool:
        """Whether a call of this name may go out now, after some others that do."""
        ahead = self._speeds.get(name, 0.0) * (AHEAD_SECONDS + 4 * self.delay_seconds)
        room = self.out + others < self.slots + 1 + int(ahead)
        self._limited = self._limited or not room
        return room

    def note_out(self, now: float) -> None:
        """Note that a call has gone out."""
        if not self.out:
            if now - self._idle_since > FORGET_SECONDS:
                self._speeds.clear()
            self._begin(now)
        self.out += 1

    def note_over(self, name: str) -> None:
        """Note that a call is over."""
        self.out -= 1
        self._over[name] += 1

    def measure(self, now: float) -> None:
        """Take in how many calls are over by now."""
        elapsed = now - self._since
        if elapsed >= MEASURE_SECONDS:
            for name, count in self._over.items():
                speed = self._speeds.get(name, 0.0)
                if self._limited:
                    self._speeds[name] = max(count / elapsed, speed * LEAST_LEFT)
                else:  # it says only how many calls there were
                    self._speeds[name] = speed * FADE
            self._begin(now)
        if not self.out:
            self._idle_since = now

    def _begin(self, now: float) -> None:
        self._since = now
        self._over.clear()
        self._limited = False
