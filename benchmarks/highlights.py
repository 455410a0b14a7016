"""What the README itself shows of a summary: three claims, six lines, and what is worse."""

from __future__ import annotations

from benchmarks.figures import FIGURES, list_whole_figures
from benchmarks.results import Results
from benchmarks.summary import HEADRACE, summarize
from benchmarks.tables import (
    POOL,
    describe_run,
    format_number,
    list_systems,
    list_worse,
    make_table,
)

#: What headrace is compared with on the first screen.
COMPARED = (POOL, "Celery", "Dask", "Ray")

#: The claims: a measure, and what is said of it behind headrace's own figure.
CLAIMS = (
    ("stream", "no-op tasks a second, handed in one by one"),
    ("sieve", "of the machine used by short CPU-bound tasks, where 1 is all of it"),
    ("memory", "MiB for all processes, idle: coordinator, worker and two slots"),
)

#: The six lines of the README's table: measures, each with its first figure.
LINES = ("stream", "map", "latency", "payload", "sieve", "memory")


def make_claims(results: Results) -> str:
    """One line for each claim, with the figures of those that people know."""
    lines: list[str] = []
    for measure, what in CLAIMS:
        found = {system: _find(results, measure, system) for system in (HEADRACE, *COMPARED)}
        others = [f"{system} {text}" for system, text in found.items() if system != HEADRACE]
        others = [one for one in others if not one.endswith(" -")]
        if found[HEADRACE] != "-" and others:
            lines.append(f"- **{found[HEADRACE]}** {what}. {', '.join(others)}.")
    return "\n".join(lines)


def make_lines(results: Results) -> str:
    """Return the run that was measured, a table of six lines, and where headrace is worse."""
    measures = [measure for measure in LINES if measure in results.measures]
    systems = list_systems(results, *measures)
    rows = [
        [
            next(figure for figure in FIGURES if figure.measure == measure).heading,
            *(_find(results, measure, system) for system in systems),
        ]
        for measure in measures
    ]
    figures = [figure for figure in FIGURES if figure.measure in results.measures]
    worse = list_worse(results, [*figures, *list_whole_figures(results)])
    return "\n\n".join([describe_run(results), make_table(["", *systems], rows), *worse])


def _find(results: Results, measure: str, system: str) -> str:
    figure = next(figure for figure in FIGURES if figure.measure == measure)
    found = summarize(results, figure, system)
    if found is None or not found.values:
        return "fails" if found and found.error else "-"
    return format_number(found.median)
