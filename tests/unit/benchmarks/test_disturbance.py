from __future__ import annotations

import pytest

from benchmarks.disturbance import choose, count_missing, judge
from benchmarks.quiet import Conditions, measure_disturbance, watch
from support.made_runs import make_results, make_run


@pytest.mark.parametrize(
    ("probe_ms", "others", "disturbed"),
    [
        (20.0, 0.0, False),
        (22.9, 0.049, False),
        (23.1, 0.0, True),
        (20.0, 0.051, True),
        (40.0, 0.5, True),
    ],
)
def test_a_slow_probe_or_others_disturb(probe_ms: float, others: float, disturbed: bool) -> None:
    assert (measure_disturbance(Conditions(probe_ms, others), 20.0) > 1) is disturbed


def test_the_best_probe_is_that_of_the_whole_bench() -> None:
    slow = [make_run(number, {}, probe_ms=30.0, others=0.0) for number in (1, 2)]
    quick = make_run(1, {}, probe_ms=20.0, others=0.01)
    results = make_results({"stream": {"headrace": slow}, "map": {"Celery": [quick]}})
    judge(results)
    assert [run.disturbed for run in results.measures["stream"]["headrace"]] == [True, True]
    assert [run.disturbed for run in results.measures["map"]["Celery"]] == [False]


def test_another_benchs_probe_says_nothing() -> None:
    old = make_run(1, {}, probe_ms=10.0, others=0.0, bench="2029-01-01T00:00:00+00:00")
    new = make_run(1, {}, probe_ms=20.0, others=0.0)
    results = make_results({"stream": {"headrace": [old, new]}})
    judge(results)
    assert [run.disturbed for run in results.measures["stream"]["headrace"]] == [False, False]


def test_a_run_that_overran_is_a_result_and_not_a_disturbance() -> None:
    overrun = make_run(1, {}, error="took longer than 90 s")
    results = make_results({"stream": {"Celery": [overrun]}})
    judge(results)
    assert count_missing(results.measures["stream"]["Celery"], 1) == 0


def test_disturbed_runs_are_still_missing() -> None:
    runs = [make_run(number, {}, disturbance=number / 2) for number in range(1, 6)]
    assert count_missing(runs, 5) == 3
    assert count_missing(runs, 2) == 0


def test_disturbed_runs_do_not_count_when_there_are_enough_others() -> None:
    runs = [make_run(number, {}, disturbance=each) for number, each in enumerate([0, 2, 0, 9, 0])]
    assert [run.round for run in choose(runs)] == [0, 2, 4]


def test_the_least_disturbed_count_when_there_are_too_few_others() -> None:
    runs = [make_run(number, {}, disturbance=each) for number, each in enumerate([5, 0, 9, 2, 4])]
    assert [run.round for run in choose(runs)] == [1, 3, 4]


def test_all_runs_count_when_there_are_not_three() -> None:
    runs = [make_run(number, {}, disturbance=5) for number in range(2)]
    assert choose(runs) == runs


def test_watching_tells_the_probe_and_the_others() -> None:
    with watch() as conditions:
        pass
    assert conditions.probe_ms > 0
    assert conditions.others >= 0
