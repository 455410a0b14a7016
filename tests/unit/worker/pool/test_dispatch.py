from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_worker.pool.dispatch import (
    AHEAD_BYTES,
    PIECE_BYTES,
    PIECE_SECONDS,
    PIECE_TASKS,
    Load,
    Pace,
    Paces,
    choose_tasks,
    fit_inputs,
)

IDLE = Load()
BUSY = Load(tasks=1, seconds=0.001)


def test_an_idle_slot_gets_one_task_of_an_unknown_job_and_a_busy_one_none() -> None:
    assert choose_tasks(None, IDLE, 1000, 2) == 1
    assert choose_tasks(None, BUSY, 1000, 2) == 0


def test_long_tasks_travel_alone_and_to_idle_slots_only() -> None:
    assert choose_tasks(PIECE_SECONDS * 1.01, IDLE, 1000, 2) == 1
    assert choose_tasks(PIECE_SECONDS * 1.01, BUSY, 1000, 2) == 0


def test_short_tasks_travel_by_the_piece() -> None:
    assert choose_tasks(PIECE_SECONDS / 20, IDLE, 1000, 2) == 20
    assert choose_tasks(1e-6, IDLE, 100_000, 2) == PIECE_TASKS
    assert choose_tasks(0.0, IDLE, 100_000, 2) == PIECE_TASKS


def test_a_busy_slot_is_filled_up_when_half_of_its_work_is_done() -> None:
    mean = PIECE_SECONDS / 20
    assert choose_tasks(mean, Load(11, 11 * mean), 1000, 2) == 0
    assert choose_tasks(mean, Load(10, 10 * mean), 1000, 2) == 10


def test_toward_the_end_of_the_line_pieces_get_smaller() -> None:
    assert choose_tasks(1e-6, IDLE, 100, 2) == 25
    assert choose_tasks(1e-6, IDLE, 3, 2) == 1
    assert choose_tasks(1e-6, IDLE, 1, 64) == 1


@given(
    mean=st.none() | st.floats(0, 100),
    held=st.integers(0, 3000),
    waiting=st.integers(1, 10**6),
    slots=st.integers(1, 128),
)
def test_no_slot_is_ever_sent_too_much(
    mean: float | None, held: int, waiting: int, slots: int
) -> None:
    load = Load(held, held * (mean or 0.0))
    tasks = choose_tasks(mean, load, waiting, slots)
    assert 0 <= tasks <= PIECE_TASKS
    assert held + tasks <= max(held, 2 * PIECE_TASKS)
    if not held:
        assert tasks >= 1
    elif mean is None or mean > PIECE_SECONDS:
        assert tasks == 0
    if tasks > 1:
        assert mean is not None
        assert load.seconds + tasks * mean <= PIECE_SECONDS * 1.001


@pytest.mark.parametrize(
    ("sizes_bytes", "load", "count"),
    [
        ([PIECE_BYTES * 10, 1], IDLE, 1),
        ([PIECE_BYTES - 1, 1, 1], IDLE, 2),
        ([1, PIECE_BYTES], IDLE, 1),
        ([AHEAD_BYTES + 1], BUSY, 0),
        ([AHEAD_BYTES, 1], BUSY, 1),
        ([10, 10], Load(1, 0.001, AHEAD_BYTES - 10), 1),
        ([0, 0, 0], BUSY, 3),
    ],
)
def test_big_inputs_go_to_idle_slots_only(sizes_bytes: list[int], load: Load, count: int) -> None:
    assert fit_inputs(sizes_bytes, load) == count


def test_a_pace_is_unknown_at_first_and_follows_a_job_that_changes() -> None:
    pace = Pace()
    assert pace.mean_seconds is None
    pace.observe(100, 1.0)
    assert pace.mean_seconds == pytest.approx(0.01)
    for _ in range(30):
        pace.observe(10, 10.0)
    assert pace.mean_seconds == pytest.approx(1.0, rel=0.1)


def test_a_pace_tells_how_much_tasks_differ() -> None:
    pace = Pace()
    assert pace.times is None
    for _ in range(3):
        pace.observe(1, 0.5)
    assert pace.times is not None
    assert pace.times.spread_seconds < 1e-6
    for _ in range(50):
        pace.observe(1, 0.1)
        pace.observe(1, 0.3)
    assert pace.times is not None
    assert pace.times.mean_seconds == pytest.approx(0.2, rel=0.2)
    assert pace.times.spread_seconds == pytest.approx(0.1, rel=0.2)


def test_paces_know_which_job_has_told_last() -> None:
    paces = Paces()
    assert paces.latest.times is None
    paces.observe("short", 10, 0.1)
    paces.observe("long", 1, 2.0)
    times = paces.latest.times
    assert times is not None
    assert times.mean_seconds == 2.0
