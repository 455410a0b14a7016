"""Runs of tasks that wait for another attempt."""

from __future__ import annotations

from headrace_coordinator.queue.runs import Runs


def make_runs(*parts: tuple[int, int, int]) -> Runs:
    runs = Runs()
    for part in parts:
        runs.add(*part)
    return runs


def test_the_last_one_is_taken_first_and_what_is_cut_off_stays() -> None:
    runs = make_runs((0, 10, 1), (20, 30, 2))
    assert runs.take(lambda *run: run[0] + 4) == (20, 24, 2)
    assert runs.count == 16
    assert runs.take(lambda *run: run[1]) == (24, 30, 2)
    assert list(runs) == [(0, 10, 1)]


def test_tasks_are_taken_out_of_the_middle_of_runs() -> None:
    runs = make_runs((0, 10, 1), (10, 20, 2), (30, 40, 1))
    assert runs.remove(5, 12) == [(5, 10), (10, 12)]
    assert sorted(runs) == [(0, 5, 1), (12, 20, 2), (30, 40, 1)]
    assert runs.count == 23


def test_only_those_that_were_attempted_so_often_are_taken_out() -> None:
    runs = make_runs((0, 10, 1), (10, 20, 2))
    assert runs.remove(0, 20, attempts=2) == [(10, 20)]
    assert list(runs) == [(0, 10, 1)]
    assert runs.remove(0, 20, attempts=7) == []
    assert runs.count == 10


def test_none_are_left_when_they_are_cleared() -> None:
    runs = make_runs((0, 10, 1))
    runs.clear()
    assert not runs
    assert runs.count == 0
