"""How many calls are handed over at once."""

from __future__ import annotations

from headrace.pace import FORGET_SECONDS, Pace


def hand_over(pace: Pace, name: str, now: float) -> int:
    """Hand over what there is room for, of an endless supply. Returns how many."""
    count = 0
    while pace.has_room(name):
        pace.note_out(now)
        count += 1
    return count


def finish(pace: Pace, name: str, count: int, now: float) -> None:
    for _ in range(count):
        pace.note_over(name)
    pace.measure(now)


def test_one_call_waits_in_line_beside_those_that_run() -> None:
    pace = Pace(slots=4)
    assert hand_over(pace, "slow", 0.0) == 5
    finish(pace, "slow", 4, 10.0)
    assert hand_over(pace, "slow", 10.0) == 4


def test_there_is_room_for_one_call_before_there_are_slots() -> None:
    pace = Pace(slots=0)
    assert hand_over(pace, "f", 0.0) == 1
    pace.slots = 8
    assert hand_over(pace, "f", 0.0) == 8


def test_quick_calls_go_out_as_many_as_are_over_in_a_moment() -> None:
    pace = Pace(slots=2)
    now, out = 0.0, hand_over(pace, "quick", 0.0)
    for _ in range(2):
        now += 0.01
        finish(pace, "quick", out, now)
        out = hand_over(pace, "quick", now)
    assert out > 1000
    assert not pace.has_room("slow"), "what is known of one function says nothing of another"


def test_what_was_quick_need_not_be_so_later() -> None:
    pace = Pace(slots=2)
    out = hand_over(pace, "f", 0.0)
    finish(pace, "f", out, 0.001)
    out = hand_over(pace, "f", 0.001)
    finish(pace, "f", out, 0.02)
    assert hand_over(pace, "f", 0.02) > 3
    finish(pace, "f", pace.out, 0.03)
    assert hand_over(pace, "f", 0.04 + FORGET_SECONDS) == 3


def test_calls_made_one_by_one_do_not_make_room_for_many() -> None:
    pace = Pace(slots=2)
    for step in range(100):
        assert pace.has_room("f")
        pace.note_out(step * 0.01)
        finish(pace, "f", 1, step * 0.01 + 0.006)
    assert hand_over(pace, "f", 1.0) == 3
