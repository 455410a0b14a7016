"""What the figures are called, which unit they have, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.results import Results

#: Suffixes of figures' names, the units that they stand for, and whether more is better.
_SUFFIXES = {
    "_per_second": ("per second", True),
    "_mib": ("MiB", False),
    "_ms": ("ms", False),
    "seconds": ("s", False),
}


@dataclass(frozen=True)
class Figure:
    """One figure of a measure: a row of the table, and a panel of the chart."""

    measure: str
    name: str
    title: str
    unit: str
    more_is_better: bool

    @property
    def heading(self) -> str:
        return f"{self.title}, {self.unit}" if self.unit else self.title


#: The figures of M1 to M5, as the table orders them. The sieve's ``task_ms`` is for the JSON alone.
FIGURES = (
    Figure("stream", "tasks_per_second", "No-op tasks, one by one", "tasks/s", True),
    Figure("map", "tasks_per_second", "No-op tasks, many at once", "tasks/s", True),
    Figure("latency", "p50_ms", "One task there and back, median", "ms", False),
    Figure("latency", "p99_ms", "One task there and back, 99th percentile", "ms", False),
    Figure("payload", "mb_per_second", "1 MiB there and back, each task", "MB/s", True),
    Figure("sieve", "efficiency", "Efficiency with short CPU-bound tasks", "", True),
    Figure("memory", "pss_mib", "Memory of all processes, idle", "MiB", False),
    Figure("start", "seconds", "Cold start to the first result", "s", False),
)


def list_whole_figures(results: Results) -> list[Figure]:
    """The figures of whole commands: all of them, each described by its name."""
    known = {figure.measure for figure in FIGURES}
    return [
        describe(measure, name)
        for measure, systems in results.measures.items()
        if measure not in known
        for name in dict.fromkeys(
            name for runs in systems.values() for run in runs for name in run.figures
        )
    ]


def describe(measure: str, name: str) -> Figure:
    """A figure by its name: ``count_1e10_seconds`` of primes is "Primes: count 1e10, s"."""
    for suffix, (unit, more_is_better) in _SUFFIXES.items():
        if name.endswith(suffix):
            case = name.removesuffix(suffix).strip("_").replace("_", " ")
            return Figure(measure, name, _join(measure, case), unit, more_is_better)
    return Figure(measure, name, _join(measure, name.replace("_", " ")), "", more_is_better=True)


def _join(measure: str, case: str) -> str:
    title = f"{measure}: {case}" if case else measure
    return title[0].upper() + title[1:]
