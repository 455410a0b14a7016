from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.results import load, merge, save
from support.made_runs import BENCH, make_results, make_run, make_runs

LATER = "2031-01-01T00:00:00+00:00"


def test_results_come_back_from_their_file(tmp_path: Path) -> None:
    run = make_run(2, {"seconds": 1.5})
    failed = make_run(3, {}, error="TimeoutError: no answer")
    results = make_results({"start": {"headrace": [run, failed]}})
    save(results, tmp_path / "new" / "results.json")
    assert load(tmp_path / "new" / "results.json") == results


def test_each_run_has_a_line_of_the_file(tmp_path: Path) -> None:
    results = make_results({"start": {"headrace": make_runs("seconds", [1.23456789] * 20)}})
    save(results, tmp_path / "results.json")
    lines = (tmp_path / "results.json").read_text().splitlines()
    assert sum('"figures": {"seconds": 1.23457}' in line for line in lines) == 20


def test_what_is_measured_again_takes_the_place_of_what_was() -> None:
    old = make_results(
        {
            "start": {"headrace": make_runs("seconds", [1]), "Celery": make_runs("seconds", [2])},
            "stream": {"Celery": make_runs("tasks_per_second", [500])},
        }
    )
    again = [make_run(1, {"seconds": 3}, bench=LATER)]
    new = make_results({"start": {"Celery": again}, "primes": {"headrace": again}}, LATER)
    merged = merge(old, new)
    assert merged.measures == {
        "start": {"headrace": make_runs("seconds", [1]), "Celery": again},
        "stream": {"Celery": make_runs("tasks_per_second", [500])},
        "primes": {"headrace": again},
    }
    assert list(merged.benches) == [BENCH, LATER]


def test_a_bench_of_which_nothing_is_left_is_forgotten() -> None:
    old = make_results({"start": {"headrace": make_runs("seconds", [1])}})
    new = make_results({"start": {"headrace": [make_run(1, {}, bench=LATER)]}}, LATER)
    assert list(merge(old, new).benches) == [LATER]


def test_two_machines_are_not_mixed() -> None:
    old = make_results({"start": {"headrace": make_runs("seconds", [1])}})
    new = make_results({"start": {"Celery": []}}, LATER, cpu="Slide rule")
    with pytest.raises(ValueError, match="another machine"):
        merge(old, new)
