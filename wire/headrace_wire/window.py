"""How many calls of a kind may be under way at a time: one, and more where the coordinator is far.

A link of 1 Gbit/s over 200 ms holds 25 MB, which one call at a time never fills: the next one would
begin a round trip after the last. So as long as answers come about as soon as they can, there may
be more of them, and on a link that is slow, where they only wait for each other, there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace_wire.round_trip import RoundTrip

#: Calls that may be under way at most.
MOST_CALLS = 12

#: An answer is soon that takes no more round trips than this, and these seconds.
SOON_ROUND_TRIPS = 3.0
SOON_SECONDS = 0.25


@dataclass
class Window:
    """It grows with each answer that comes soon, so that it doubles in a round trip."""

    round_trip: RoundTrip
    size: int = 1

    def note(self, seconds: float) -> None:
        """A call has been answered after so many seconds."""
        round_trip = self.round_trip.seconds
        if not round_trip:
            self.size = 1
        elif seconds <= SOON_ROUND_TRIPS * round_trip + SOON_SECONDS:
            self.size = min(MOST_CALLS, self.size + 1)
        else:
            self.size = max(1, self.size // 2)
