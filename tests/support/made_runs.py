"""Results that nobody measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.results import Results, Run

#: When the made-up bench was.
BENCH = "2030-01-01T00:00:00+00:00"

#: Where it was.
MACHINE: dict[str, str | int | float] = {
    "cpu": "Abacus", "cores": 2, "memory_gib": 1.5, "kernel": "Linux 0.1", "python": "3.11.0",
}  # fmt: skip


def make_run(number: int, figures: dict[str, float], **fields: Any) -> Run:
    given: dict[str, Any] = {"bench": BENCH, "round": number, "figures": figures}
    return Run(**given | fields)


def make_runs(name: str, values: Sequence[float]) -> list[Run]:
    """One run for each value."""
    return [make_run(number, {name: value}) for number, value in enumerate(values, 1)]


def make_results(
    measures: dict[str, dict[str, list[Run]]], bench: str = BENCH, **machine: Any
) -> Results:
    described = {"command": "python -m benchmarks run", "rounds": 3, "machine": MACHINE | machine}
    versions = {
        system: {system.lower(): "1.0"} for systems in measures.values() for system in systems
    }
    return Results({bench: described}, versions, measures)
