from __future__ import annotations

import pytest

from benchmarks.readme import insert
from benchmarks.results import Results
from benchmarks.tables import format_number, format_ratio, make_markdown, make_text
from support.made_runs import make_results, make_run, make_runs


@pytest.fixture
def results() -> Results:
    rate, seconds = "tasks_per_second", "seconds"
    efficiency = "efficiency"
    failed = [make_run(number, {}, error="ValueError: too `large`") for number in range(3)]
    return make_results(
        {
            "start": {
                "headrace": make_runs(seconds, [0.5, 0.5, 0.5]),
                "Celery": make_runs(seconds, [2, 2, 2]),
                "multiprocessing.Pool": make_runs(seconds, [0.01, 0.01, 0.01]),
            },
            "stream": {
                "headrace": make_runs(rate, [1e5, 1.2e5, 1.1e5]),
                "Celery": make_runs(rate, [500, 600, 550]),
                "multiprocessing.Pool": make_runs(rate, [1e5, 1.2e5, 1.1e5]),
            },
            "sieve": {
                "headrace": make_runs(efficiency, [0.9, 0.9, 0.9]),
                "multiprocessing.Pool": make_runs(efficiency, [0.6, 0.6, 0.6]),
                "Celery": failed,
            },
            "primes": {
                "headrace": make_runs(seconds, [2.0, 2.0, 2.0]),
                "primesieve": make_runs(seconds, [1.0, 1.0, 1.0]),
            },
        }
    )


def test_medians_stand_by_measure_and_system(results: Results) -> None:
    text = make_markdown(results)
    assert "|  | headrace | multiprocessing.Pool | Celery |" in text
    assert "| No-op tasks, one by one, tasks/s | 110,000 | 110,000 | 550 |" in text
    assert "| Cold start to the first result, s | 0.500 | 0.0100 | 2.00 |" in text
    assert "Medians of 3 runs of `python -m benchmarks run` on 2030-01-01: Abacus, 2 cores" in text
    assert "celery 1.0" in text


def test_efficiency_is_also_given_in_terms_of_the_pool(results: Results) -> None:
    assert "| … times that of `multiprocessing.Pool` | 1.50 | 1.00 | - |" in make_markdown(results)


def test_ratios_say_where_headrace_is_worse(results: Results) -> None:
    text = make_markdown(results)
    assert "| No-op tasks, one by one | 1.00 | 200 |" in text
    assert "| Cold start to the first result | **0.020 (worse)** | 4.00 |" in text
    assert text.partition("Where headrace is worse:\n\n")[2].splitlines()[:2] == [
        "- than multiprocessing.Pool: cold start to the first result (0.020)",
        "- than primesieve: primes (0.50)",
    ]


def test_nothing_is_said_to_be_worse_that_is_not(results: Results) -> None:
    del results.measures["start"]
    del results.measures["primes"]
    text = make_markdown(results)
    assert "(worse)" not in text
    assert "Where headrace is worse" not in text


def test_a_whole_command_has_a_line_for_each_system(results: Results) -> None:
    text = make_markdown(results)
    assert "| Primes, s | headrace | 2.00 | 2.00 to 2.00 | - |" in text
    assert "|  | primesieve | 1.00 | 1.00 to 1.00 | **0.50 (worse)** |" in text


def test_a_failure_is_a_result_with_its_error(results: Results) -> None:
    text = make_markdown(results)
    assert "| 0.900 | 0.600 | fails<sup>1</sup> |" in text
    assert "<sup>1</sup> `ValueError: too large`." in text


def test_unpaired_runs_and_rounds_that_disagree_are_marked(results: Results) -> None:
    results.measures["stream"]["Celery"] = [
        make_run(1, {"tasks_per_second": 5.0}, bench="2031-01-01T00:00:00+00:00")
    ]
    results.measures["start"]["Celery"] = make_runs("seconds", [0.4, 0.6, 0.45])
    text = make_markdown(results)
    assert "| **0.020 (worse)** | 0.90<sup>3</sup> |" in text
    assert "<sup>2</sup> Not measured in the same rounds" in text
    assert "<sup>3</sup> Some rounds say that headrace is better" in text
    assert "- than Celery: cold start to the first result (0.90, undecided)" in text


def test_only_whole_commands_make_a_table_too(results: Results) -> None:
    results.measures = {"primes": results.measures["primes"]}
    text = make_markdown(results)
    assert "primesieve" in text
    assert "No-op" not in text


def test_the_terminal_shows_the_spread(results: Results) -> None:
    lines = [" ".join(line.split()) for line in make_text(results).splitlines()]
    assert "headrace 110,000 100,000 120,000 3" in lines
    assert "Celery 550 500 600 3 200 (200 to 200)" in lines
    assert "Celery fails" in lines
    assert "primesieve 1.00 1.00 1.00 3 0.50 (0.50 to 0.50), worse" in lines


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (123_456, "123,000"),
        (100, "100"),
        (99.96, "100"),
        (12.34, "12.3"),
        (0.5, "0.500"),
        (0.00612, "0.00612"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert format_number(value) == text


def test_small_ratios_keep_two_digits() -> None:
    assert [format_ratio(one) for one in (0.0123, 0.5, 2.0, 250.0)] == [
        "0.012", "0.50", "2.00", "250",
    ]  # fmt: skip


def test_the_readme_is_left_as_it_is_around_the_table() -> None:
    readme = "before\n<!-- benchmarks -->\nold\n<!-- end of benchmarks -->\nafter\n"
    assert insert(readme, "new") == readme.replace("old", "new")
    with pytest.raises(ValueError, match="benchmarks"):
        insert("no marks", "new")
