"""AttemptedSpans of tasks that wait for another attempt."""

from __future__ import annotations

from headrace_coordinator.queue.attempted_spans import AttemptedSpans


def make_spans(*parts: tuple[int, int, int]) -> AttemptedSpans:
    spans = AttemptedSpans()
    for part in parts:
        spans.add(*part)
    return spans


def test_the_last_one_is_taken_first_and_what_is_cut_off_stays() -> None:
    spans = make_spans((0, 10, 1), (20, 30, 2))
    assert spans.take(lambda *run: run[0] + 4) == (20, 24, 2)
    assert spans.count == 16
    assert spans.take(lambda *run: run[1]) == (24, 30, 2)
    assert list(spans) == [(0, 10, 1)]


def test_tasks_are_taken_out_of_the_middle_of_runs() -> None:
    spans = make_spans((0, 10, 1), (10, 20, 2), (30, 40, 1))
    assert spans.remove(5, 12) == [(5, 10), (10, 12)]
    assert sorted(spans) == [(0, 5, 1), (12, 20, 2), (30, 40, 1)]
    assert spans.count == 23


def test_only_those_that_were_attempted_so_often_are_taken_out() -> None:
    spans = make_spans((0, 10, 1), (10, 20, 2))
    assert spans.remove(0, 20, attempts=2) == [(10, 20)]
    assert list(spans) == [(0, 10, 1)]
    assert spans.remove(0, 20, attempts=7) == []
    assert spans.count == 10


def test_none_are_left_when_they_are_cleared() -> None:
    spans = make_spans((0, 10, 1))
    spans.clear()
    assert not spans
    assert spans.count == 0
