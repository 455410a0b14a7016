"""How quickly tasks are done as of late."""

from __future__ import annotations

from headrace_coordinator.queue.recent_speed import COUNTS_KEPT, RecentSpeed


def test_before_anything_is_done_it_is_not_known() -> None:
    recent = RecentSpeed()
    assert recent.find(5.0, 0) is None
    recent.note(5.0, 0)
    assert recent.find(5.0, 0) is None
    assert recent.find(9.0, 0) is None


def test_it_is_that_of_the_last_moments_and_not_of_the_whole() -> None:
    recent = RecentSpeed()
    done = 0
    for tenth in range(1000):
        done += 1 if tenth < 500 else 4
        recent.note(tenth / 10, done)
    found = recent.find(100.0, done)
    assert found is not None
    assert abs(found - 40.0) < 1.0
    assert len(recent.counts) == COUNTS_KEPT


def test_of_long_tasks_it_is_that_of_the_last_ones() -> None:
    recent = RecentSpeed()
    recent.note(0.0, 0)
    for minute in range(1, 40):
        recent.note(minute * 60.0, minute)
    assert recent.find(39 * 60.0, 39) == 1 / 60
    later = recent.find(39 * 60.0 + 50, 39)
    assert later is not None
    assert 1 / 70 < later < 1 / 60


def test_where_nothing_is_done_for_long_it_is_nothing() -> None:
    recent = RecentSpeed()
    for second in range(60):
        recent.note(float(second), 10 * second)
    assert recent.find(62.0, 590) not in (None, 0.0)
    assert recent.find(59.0 + COUNTS_KEPT + 1, 590) == 0.0
    recent.clear()
    assert recent.find(100.0, 590) is None
