"""How many calls of an executor are handed over, after which they cannot be cancelled any more.

As in ``ProcessPoolExecutor``, it is one for each process and one that waits. Quick calls need more,
because the processes would wait for the next ones: as many as end in a short time.
"""

from __future__ import annotations

import math
from collections import Counter

#: How many seconds of work may wait at the processes, in addition to one call.
AHEAD_SECONDS = 0.2

#: Calls per second are computed from the calls that ended in at least this many seconds.
MEASURE_SECONDS = 0.005

#: After how many seconds without calls their speed is forgotten.
FORGET_SECONDS = 0.5

#: The factors by which a speed decreases at most in one measurement: if it was not needed, and if
#: it was not reached.
FADE = 0.9
LEAST_LEFT = 0.5


class Pace:
    """Counts calls by their functions. ``now`` is monotonic. It is not thread-safe."""

    def __init__(self, slots: int, delay_seconds: float = 0.0) -> None:
        #: How many processes there are for the calls.
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
        """Return whether a call of this name may be handed over now, after ``others`` more."""
        ahead = self._speeds.get(name, 0.0) * (AHEAD_SECONDS + 4 * self.delay_seconds)
        room = self.out + others < self.slots + 1 + int(ahead)
        self._limited = self._limited or not room
        return room

    def note_out(self, now: float) -> None:
        """Note that a call was handed over."""
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
        """Update the speeds from the calls that have ended so far."""
        elapsed = now - self._since
        if elapsed >= MEASURE_SECONDS:
            for name, count in self._over.items():
                speed = self._speeds.get(name, 0.0)
                if self._limited:
                    self._speeds[name] = max(count / elapsed, speed * LEAST_LEFT)
                else:  # the count only shows how many calls there were
                    self._speeds[name] = speed * FADE
            self._begin(now)
        if not self.out:
            self._idle_since = now

    def _begin(self, now: float) -> None:
        self._since = now
        self._over.clear()
        self._limited = False
