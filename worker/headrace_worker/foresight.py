"""How much work has to be here so that slots do not run out of it while more is on its way.

Pure arithmetic. A request for work is answered a round trip later, and the next one is sent only
then: so there has to be enough for two. Where tasks take all the same time, one is asked for when a
slot is about to be done with another; the more their times differ the earlier, and the more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

#: How many round trips the work that is here has to last.
ROUND_TRIPS = 2.0

#: Seconds that it has to last beyond that: agent and coordinator have other things to do, too.
SLACK_SECONDS = 0.03

#: A task that lasts more round trips than this is not asked for before a slot is free: what that
#: costs is little, and a task that waits behind another here could have run elsewhere.
LONG_ROUND_TRIPS = 50.0


class Times(Struct, frozen=True):
    """How long tasks take: the mean, and the standard deviation from it."""

    mean_seconds: float
    spread_seconds: float = 0.0

    @property
    def early_seconds(self) -> float:
        """When a task may well be over that has begun."""
        return max(0.0, self.mean_seconds - self.spread_seconds)


def mix_times(parts: Sequence[tuple[Times | None, int]]) -> Times | None:
    """The times of tasks of several jobs, so many of each. None where some are not known."""
    whole = sum(tasks for _, tasks in parts)
    seconds = squares = 0.0
    for times, tasks in parts:
        if times is None:
            return None
        share = tasks / max(1, whole)
        seconds += share * times.mean_seconds
        squares += share * (times.mean_seconds**2 + times.spread_seconds**2)
    return Times(seconds, math.sqrt(max(0.0, squares - seconds**2)))


class Outlook(Struct, frozen=True):
    """How many tasks are to be here, and in how many seconds from now that may change by itself."""

    tasks: int
    next_seconds: float = math.inf


def look_ahead(times: Times, left: Sequence[float], round_trip: float) -> Outlook:
    """Count the tasks that slots begin before what is asked for now can be here.

    ``left`` is in how many seconds each slot may be done with what it runs. A slot that idles waits
    for a task in any case.
    """
    mean_seconds = max(times.mean_seconds, 1e-6)
    if mean_seconds > LONG_ROUND_TRIPS * round_trip:
        return Outlook(0)
    horizon = ROUND_TRIPS * round_trip + SLACK_SECONDS
    later = [seconds - horizon for seconds in left if seconds > horizon]
    begun = sum(1 + int((horizon - one) / mean_seconds) for one in left if one <= horizon)
    # As many more as the number of those that begin may well be beyond what is expected.
    more = times.spread_seconds / mean_seconds * math.sqrt(begun)
    return Outlook(begun + round(more), min(later, default=math.inf))


def find_stuck_seconds(times: Times | None, round_trip: float) -> float:
    """How long tasks may run while others wait that came ahead; None: it is not known how long they
    take.
    """
    if times is None:
        return ROUND_TRIPS * round_trip
    if times.mean_seconds > LONG_ROUND_TRIPS * round_trip:
        return 0.0
    return 2 * (times.mean_seconds + times.spread_seconds + ROUND_TRIPS * round_trip)
