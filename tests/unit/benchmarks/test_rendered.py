"""What is committed is what the committed results give: no figure was typed by hand."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from benchmarks import readme
from benchmarks.__main__ import CHART, PAGE, README, RESULTS, render_readme
from benchmarks.highlights import make_claims, make_lines
from benchmarks.results import Results, load
from benchmarks.tables import make_markdown
from support.made_runs import make_results, make_run, make_runs

#: What to do about a difference.
HINT = "run: python -m benchmarks render"


@pytest.fixture(scope="module")
def results() -> Results:
    return load(RESULTS)


def draw(results: Results) -> str:
    # Here and not above: it is large, and every process of a run of the tests reads this module.
    from benchmarks import chart  # noqa: PLC0415

    return chart.draw(results).decode()


def list_texts(svg: str) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", svg)


def test_the_tables_are_those_of_the_results(results: Results) -> None:
    text = PAGE.read_text()
    assert readme.insert(text, make_markdown(results)) == text, HINT


def test_the_readmes_figures_are_those_of_the_results(results: Results) -> None:
    text = README.read_text()
    assert render_readme(text, results) == text, HINT


def test_the_readme_makes_three_claims_shows_six_lines_and_says_what_is_worse(
    results: Results,
) -> None:
    assert make_claims(results).count("\n- **") == 2
    lines = make_lines(results)
    assert sum(line.startswith("| ") for line in lines.splitlines()) == 8
    assert "Where headrace is worse:" in lines


def test_the_chart_is_that_of_the_results(results: Results) -> None:
    """To the byte with the matplotlib that drew it, else in all that it says."""
    committed, drawn = CHART.read_text(), draw(results)
    assert list_texts(committed) == list_texts(drawn), HINT
    if f"Matplotlib v{version('matplotlib')}," in committed:
        assert committed == drawn, HINT


def test_the_chart_says_what_it_shows() -> None:
    failed = [make_run(1, {}, error="ValueError: too large")]
    rates = {"headrace": make_runs("tasks_per_second", [1e5]), "Celery": failed}
    whole = {
        "headrace": make_runs("seconds", [2]),
        "primesieve": [make_run(1, {"seconds": 1})],
    }
    drawn = draw(make_results({"stream": rates, "primes": whole}))
    texts = list_texts(drawn)
    assert {"headrace", "Celery", "primesieve", "100,000", "fails", "2.00", "1.00"} <= set(texts)
    assert {"No-op tasks, one by one, tasks/s", "Primes, s"} <= set(texts)
    assert any("python -m benchmarks run, 2030-01-01" in text for text in texts)
    assert any("Abacus, 2 cores" in text for text in texts)
    assert drawn == draw(make_results({"stream": rates, "primes": whole}))
