from __future__ import annotations

from headrace_wire.round_trip import FIRST_MEASUREMENTS, RoundTrip
from headrace_wire.window import MOST_CALLS, Window


def make_window(round_trip: float) -> Window:
    way = RoundTrip()
    for _ in range(FIRST_MEASUREMENTS):
        way.note(round_trip)
    return Window(way)


def test_to_a_near_coordinator_one_call_is_under_way() -> None:
    window = make_window(0.001)
    for _ in range(20):
        window.note(0.001)
    assert window.size == 1


def test_to_a_far_one_there_are_more_as_long_as_answers_come_soon() -> None:
    window = make_window(0.2)
    for _ in range(20):
        window.note(0.3)
    assert window.size == MOST_CALLS


def test_on_a_slow_link_there_is_soon_one_again() -> None:
    window = make_window(0.2)
    for _ in range(20):
        window.note(0.3)
    for _ in range(3):
        window.note(5.0)
    assert window.size == 1
