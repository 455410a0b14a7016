from __future__ import annotations

from headrace_wire.round_trip import FIRST_MEASUREMENTS, MEASUREMENTS, RoundTrip


def test_the_least_of_late_counts() -> None:
    way = RoundTrip()
    for seconds in (0.3, 0.2, 0.9):
        way.note(seconds)
    assert way.seconds == 0.2
    for _ in range(MEASUREMENTS):
        way.note(0.4)
    assert way.seconds == 0.4, "the way has become longer"


def test_one_slow_answer_does_not_make_a_coordinator_far() -> None:
    way = RoundTrip()
    for _ in range(FIRST_MEASUREMENTS - 1):
        way.note(0.5)
        assert not way.is_known
        assert way.seconds == 0
    way.note(0.001)
    assert way.is_known
    assert way.seconds == 0
