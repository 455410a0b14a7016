"""How much work has to be here so that slots do not run out of it while more is on its way.

This is pure arithmetic. The answer to a request for work arrives after a round trip, and only then
the next request is sent, so there has to be enough work for two round trips. If all tasks take the
same time, a task is requested when a slot is about to finish another one; the more their times
differ, the earlier it is requested, and the more of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

#: How many round trips the work that is here has to last.
ROUND_TRIPS = 2.0

#: How many seconds it has to last in addition, because agent and coordinator are busy with other
#: things, too.
SLACK_SECONDS = 0.03

#: A task that takes more round trips than this is not requested before a slot is free. This costs
#: little, and a task that waited behind another one here could have run elsewhere.
LONG_ROUND_TRIPS = 50.0


class Times(Struct, frozen=True):
    """How long tasks take: the mean and the standard deviation."""

    mean_seconds: float
    spread_seconds: float = 0.0

    @property
    def early_seconds(self) -> float:
        """The earliest time at which a task is likely to end, in seconds from its start."""
        return max(0.0, self.mean_seconds - self.spread_seconds)


def mix_times(parts: Sequence[tuple[Times | None, int]]) -> Times | None:
    """Combine the times of tasks of several jobs, each with its number of tasks. Return None if
    some are not known.
    """
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
    """How many tasks have to be here, and in how many seconds that may change by itself."""

    tasks: int
    next_seconds: float = math.inf


def look_ahead(times: Times, left: Sequence[float], round_trip: float) -> Outlook:
    """Count the tasks that slots begin before tasks that are requested now can be here.

    ``left`` has for each slot in how many seconds it is expected to finish what it runs. An idle
    slot waits for a task in any case.
    """
    mean_seconds = max(times.mean_seconds, 1e-6)
    if mean_seconds > LONG_ROUND_TRIPS * round_trip:
        return Outlook(0)
    horizon = ROUND_TRIPS * round_trip + SLACK_SECONDS
    later = [seconds - horizon for seconds in left if seconds > horizon]
    begun = sum(1 + int((horizon - one) / mean_seconds) for one in left if one <= horizon)
    # This many more tasks are likely to begin beyond the expected number.
    more = times.spread_seconds / mean_seconds * math.sqrt(begun)
    return Outlook(begun + round(more), min(later, default=math.inf))


def find_stuck_seconds(times: Times | None, round_trip: float) -> float:
    """Return for how long tasks may run while others wait behind them that were requested in
    advance. ``times`` is None if it is not known how long they take.
    """
    if times is None:
        return ROUND_TRIPS * round_trip
    if times.mean_seconds > LONG_ROUND_TRIPS * round_trip:
        return 0.0
    return 2 * (times.mean_seconds + times.spread_seconds + ROUND_TRIPS * round_trip)
