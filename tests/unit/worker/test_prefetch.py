from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_worker.prefetch import (
    LONG_ROUND_TRIPS,
    ROUND_TRIPS,
    SLACK_SECONDS,
    Times,
    find_stuck_seconds,
    look_ahead,
    mix_times,
)

#: A round trip between continents, and how long what is here has to last.
FAR = 0.2
HORIZON = ROUND_TRIPS * FAR + SLACK_SECONDS


def test_short_tasks_are_here_for_two_round_trips() -> None:
    outlook = look_ahead(Times(0.005), [0.0, 0.0], FAR)
    assert outlook.tasks == pytest.approx(2 * (1 + HORIZON / 0.005), abs=1)


def test_one_more_is_asked_for_when_a_slot_is_about_to_be_done() -> None:
    times = Times(2.0)
    early = look_ahead(times, [1.9, 1.5], FAR)
    assert early.tasks == 0
    assert early.next_seconds == pytest.approx(1.5 - HORIZON)
    # In both slots at a time, and not only in the first.
    assert look_ahead(times, [1.9, HORIZON], FAR).tasks == 1
    assert look_ahead(times, [HORIZON, HORIZON], FAR).tasks == 2
    # No slot begins a second one before that, however long ago the first was asked for.
    assert look_ahead(Times(2.0, 0.05), [0.0, 0.01], FAR).tasks == 2


def test_tasks_that_differ_much_are_asked_for_earlier_and_more_of_them() -> None:
    alike, different = Times(0.25), Times(0.25, 0.25)
    assert different.early_seconds == 0
    left = [0.0, 0.0]
    assert look_ahead(different, left, FAR).tasks > look_ahead(alike, left, FAR).tasks


def test_tasks_that_last_far_longer_than_a_round_trip_are_not_asked_for_ahead() -> None:
    outlook = look_ahead(Times(LONG_ROUND_TRIPS * FAR * 1.01), [0.0, 0.0], FAR)
    assert outlook.tasks == 0
    assert outlook.next_seconds == math.inf
    assert find_stuck_seconds(Times(LONG_ROUND_TRIPS * FAR * 1.01), FAR) == 0


def test_what_was_asked_for_ahead_is_not_given_back_before_it_can_have_begun() -> None:
    assert find_stuck_seconds(Times(0.5, 0.2), FAR) > 0.7 + ROUND_TRIPS * FAR
    assert find_stuck_seconds(None, FAR) >= ROUND_TRIPS * FAR


def test_times_of_several_jobs_are_mixed_by_their_tasks() -> None:
    mixed = mix_times([(Times(0.1), 3), (Times(0.5), 1)])
    assert mixed is not None
    assert mixed.mean_seconds == pytest.approx(0.2)
    assert mixed.spread_seconds == pytest.approx(0.1 * math.sqrt(3))
    assert mix_times([(Times(0.1), 3), (None, 1)]) is None


@given(
    mean=st.floats(0, 1e6),
    spread=st.floats(0, 1e6),
    left=st.lists(st.floats(0, 1e6), max_size=128),
    round_trip=st.floats(0.01, 10),
)
def test_there_is_an_answer_whatever_the_times(
    mean: float, spread: float, left: list[float], round_trip: float
) -> None:
    outlook = look_ahead(Times(mean, spread), left, round_trip)
    assert outlook.tasks >= 0
    assert outlook.next_seconds > 0
