"""What benches found: every run, under its measure and its system, as it lies in results.json.

A bench is one ``python -m benchmarks run``. One file can have results of several benches on one
machine; each run names its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import Machine

#: Columns of results.json that a value may fill before it is broken up.
_WIDTH = 160

#: Digits that a figure is kept with.
_DIGITS = 6


@dataclass(frozen=True)
class Run:
    """One measure of one system, taken once."""

    bench: str
    round: int
    figures: dict[str, float]
    error: str | None = None


@dataclass
class Results:
    """All runs of some benches."""

    #: Command and machine of each bench, by its date.
    benches: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    #: Names and versions of what is measured, by system.
    versions: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    #: Measure, system, runs in the order in which they were taken.
    measures: dict[str, dict[str, list[Run]]] = field(
        default_factory=dict[str, dict[str, list[Run]]]
    )

    def add(self, measure: str, system: str, run: Run) -> None:
        self.measures.setdefault(measure, {}).setdefault(system, []).append(run)

    def walk(self) -> Iterator[tuple[str, str, list[Run]]]:
        """Each measure of each system, with its runs."""
        for measure, systems in self.measures.items():
            for system, runs in systems.items():
                yield measure, system, runs


def merge(old: Results, new: Results) -> Results:
    """Both, where a measure of a system that is in both is the new one's.

    Benches of which nothing is left are forgotten. Raises ValueError for two machines.
    """
    machines = [bench["machine"] for one in (old, new) for bench in one.benches.values()]
    if any(machine != machines[0] for machine in machines):
        raise ValueError("the results there are of another machine, or of another Python")
    merged = Results({}, old.versions | new.versions, {})
    for measure in dict.fromkeys([*old.measures, *new.measures]):
        systems = old.measures.get(measure, {}) | new.measures.get(measure, {})
        merged.measures[measure] = systems
    used = {run.bench for _, _, runs in merged.walk() for run in runs}
    benches = old.benches | new.benches
    merged.benches = {date: benches[date] for date in sorted(used)}
    return merged


def find_machine(results: Results) -> Machine:
    """The machine that all the benches ran on."""
    machine: Machine = next(iter(results.benches.values()))["machine"]
    return machine


def load(path: Path) -> Results:
    fields = json.loads(path.read_text())
    results = Results(fields["benches"], fields["versions"])
    for measure, systems in fields["measures"].items():
        for system, runs in systems.items():
            results.measures.setdefault(measure, {})[system] = [Run(**run) for run in runs]
    return results


def save(results: Results, path: Path) -> None:
    """Write them, a run in a line, so that a difference can be read."""
    fields = {
        "benches": results.benches,
        "versions": results.versions,
        "measures": {
            measure: {system: [_to_fields(run) for run in runs] for system, runs in systems.items()}
            for measure, systems in results.measures.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_lay_out(fields) + "\n")


def _to_fields(run: Run) -> dict[str, Any]:
    """A run without what is not there, its figures with digits that mean something."""
    fields = {name: one for name, one in dataclasses.asdict(run).items() if one is not None}
    fields["figures"] = {name: _shorten(figure) for name, figure in run.figures.items()}
    return fields


def _shorten(figure: float) -> float:
    return float(f"{figure:.{_DIGITS}g}")


def _lay_out(value: Any, indent: str = "") -> str:
    """JSON with what fits a line in a line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= _WIDTH or not isinstance(value, dict | list):
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [
            f"{inner}{json.dumps(name)}: {_lay_out(one, inner)}" for name, one in value.items()
        ]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _lay_out(one, inner) for one in value) + f"\n{indent}]"
