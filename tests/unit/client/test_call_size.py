"""How much goes in one call."""

from __future__ import annotations

import asyncio
from typing import Any

from headrace.call_size import SLOW_SECONDS, CallSize, measure_distance
from headrace_wire.round_trip import FAR_SECONDS

LEAST, MOST = 4, 32


def note(call_size: CallSize, *calls: tuple[int, float]) -> list[int]:
    """How many bytes go in a call after each of these, which had so many and took so long."""

    async def run() -> list[int]:
        sizes: list[int] = []
        for size, seconds in calls:
            await call_size.note(size, seconds)
            sizes.append(call_size.size_bytes)
        return sizes

    return asyncio.run(run())


class Way:
    """A way to a coordinator, and how often somebody asked how long it is."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.asked = 0

    async def measure(self) -> float:
        self.asked += 1
        return self._seconds


def test_far_away_calls_get_larger_as_long_as_they_are_full_and_answered_soon() -> None:
    way = Way(0.2)
    call_size = CallSize(LEAST, MOST, way.measure)
    assert note(call_size, (4, 0.2), (1, 0.2), (8, 0.2), (16, 0.3), (32, 0.3)) == [8, 8, 16, 32, 32]
    assert way.asked == 1


def test_on_a_slow_link_calls_get_smaller_again() -> None:
    call_size = CallSize(LEAST, MOST, Way(0.2).measure)
    slow = 0.3 + SLOW_SECONDS
    assert note(call_size, (4, 0.2), (8, 0.5), (16, slow), (8, slow), (4, slow)) == [8, 16, 8, 4, 4]


def test_a_long_way_is_not_taken_for_a_slow_one() -> None:
    call_size = CallSize(LEAST, MOST, Way(2.0).measure)
    assert note(call_size, (4, 2.1), (8, 2.2)) == [8, 16]


def test_near_calls_stay_as_they_are_also_where_a_coordinator_is_busy() -> None:
    quick, busy = Way(0.0), Way(0.0)
    assert note(CallSize(LEAST, MOST, quick.measure), (4, FAR_SECONDS / 2)) == [LEAST]
    assert quick.asked == 0, "what is answered at once is near"
    assert note(CallSize(LEAST, MOST, busy.measure), (4, 0.2), (4, 0.2)) == [LEAST, LEAST]
    assert busy.asked == 1


def test_what_a_call_takes_says_how_far_a_coordinator_is() -> None:
    class Caller:
        async def call(self, method: object) -> None:
            del method
            await asyncio.sleep(2 * FAR_SECONDS)

    far: Any = Caller()
    assert asyncio.run(measure_distance(far)) >= 2 * FAR_SECONDS
