from __future__ import annotations

import pytest

from benchmarks.figures import FIGURES, describe
from benchmarks.results import Run
from benchmarks.summary import HEADRACE, Ratio, compare, summarize
from support.made_runs import make_results, make_run, make_runs

STREAM = next(figure for figure in FIGURES if figure.measure == "stream")
START = next(figure for figure in FIGURES if figure.measure == "start")


def compare_rates(mine: list[Run], others: list[Run]) -> Ratio | None:
    results = make_results({"stream": {HEADRACE: mine, "Celery": others}})
    return compare(results, STREAM, HEADRACE, "Celery")


def test_median_and_spread() -> None:
    results = make_results({"stream": {HEADRACE: make_runs(STREAM.name, [3, 1, 2, 9, 5])}})
    found = summarize(results, STREAM, HEADRACE)
    assert found
    assert (found.median, found.spread) == (3, (1, 9))
    assert summarize(results, STREAM, "Celery") is None


def test_ratios_are_taken_within_each_round() -> None:
    ratio = compare_rates(
        make_runs(STREAM.name, [10, 100, 1000]), make_runs(STREAM.name, [5, 25, 1000])
    )
    assert ratio == Ratio(2, 1, 4)


def test_less_time_is_better() -> None:
    results = make_results(
        {"start": {HEADRACE: make_runs("seconds", [2]), "Celery": make_runs("seconds", [1])}}
    )
    ratio = compare(results, START, HEADRACE, "Celery")
    assert ratio
    assert (ratio.median, ratio.worse) == (0.5, True)


def test_a_round_in_which_one_of_them_failed_is_left_out() -> None:
    mine = make_runs(STREAM.name, [10, 20, 30])
    others = [make_run(1, {STREAM.name: 10}), make_run(2, {}, error="ValueError: too large")]
    others.append(make_run(3, {STREAM.name: 10}))
    assert compare_rates(mine, others) == Ratio(2, 1, 3)


@pytest.mark.parametrize(
    ("mine", "worse", "undecided"),
    [
        ([11, 12, 13], False, False),
        ([9, 12, 13], False, True),
        ([8, 9, 13], True, True),
        ([7, 8, 9], True, False),
        ([10, 10, 10], False, False),
    ],
)
def test_where_rounds_disagree_nothing_is_decided(
    mine: list[float], *, worse: bool, undecided: bool
) -> None:
    ratio = compare_rates(make_runs(STREAM.name, mine), make_runs(STREAM.name, [10, 10, 10]))
    assert ratio
    assert (ratio.worse, ratio.undecided) == (worse, undecided)


def test_runs_of_different_benches_are_not_paired() -> None:
    others = [
        make_run(number, {STREAM.name: value}, bench="2031-01-01T00:00:00+00:00")
        for number, value in enumerate([1, 2, 9])
    ]
    assert compare_rates(make_runs(STREAM.name, [1, 4, 5]), others) == Ratio(2, 2, 2, paired=False)


def test_a_failure_has_no_ratio_and_keeps_its_error() -> None:
    failed = [make_run(number, {}, error="TimeoutError: no answer") for number in range(3)]
    results = make_results({"stream": {HEADRACE: make_runs(STREAM.name, [1]), "Celery": failed}})
    assert compare(results, STREAM, HEADRACE, "Celery") is None
    found = summarize(results, STREAM, "Celery")
    assert found
    assert (found.values, found.failed, found.error) == ((), 3, "TimeoutError: no answer")


@pytest.mark.parametrize(
    ("name", "heading", "more_is_better"),
    [
        ("seconds", "Primes, s", False),
        ("count_1e10_seconds", "Primes: count 1e10, s", False),
        ("peak_mib", "Primes: peak, MiB", False),
        ("tasks_per_second", "Primes: tasks, per second", True),
        ("speed-up", "Primes: speed-up", True),
    ],
)
def test_a_whole_commands_figure_is_described_by_its_name(
    name: str, heading: str, more_is_better: bool
) -> None:
    figure = describe("primes", name)
    assert (figure.heading, figure.more_is_better) == (heading, more_is_better)
