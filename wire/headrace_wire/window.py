"""How many calls of a kind may be pending at a time: one, and more if the coordinator is far away.

A link of 1 Gbit/s over 200 ms contains 25 MB, which one call at a time never fills, because the
next one begins a round trip after the last. So while answers arrive about as soon as they can, more
calls are allowed. On a slow link, where they would only wait for each other, there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace_wire.round_trip import RoundTrip

#: The maximum number of pending calls.
MOST_CALLS = 12

#: An answer is early if it takes no more than this many round trips and this many seconds.
SOON_ROUND_TRIPS = 3.0
SOON_SECONDS = 0.25


@dataclass
class Window:
    """Grows with each answer that is early, so that it doubles in a round trip."""

    round_trip: RoundTrip
    size: int = 1

    def note(self, seconds: float) -> None:
        """Note that a call has been answered after this many seconds."""
        round_trip = self.round_trip.seconds
        if not round_trip:
            self.size = 1
        elif seconds <= SOON_ROUND_TRIPS * round_trip + SOON_SECONDS:
            self.size = min(MOST_CALLS, self.size + 1)
        else:
            self.size = max(1, self.size // 2)
