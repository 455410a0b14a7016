"""Which runs were disturbed, judged over all runs of a bench, and which count."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from benchmarks.quiet import Conditions, measure_disturbance
from benchmarks.results import Results, Run

#: Runs that a median should be of, at least.
LEAST_RUNS = 3


def judge(results: Results) -> None:
    """Say how disturbed each run was. The best probe is that of the run's own bench."""
    best: dict[str, float] = {}
    for _, _, runs in results.walk():
        for run in runs:
            if run.probe_ms is not None:
                best[run.bench] = min(best.get(run.bench, math.inf), run.probe_ms)
    for measure, system, runs in results.walk():
        results.measures[measure][system] = [_judge(run, best) for run in runs]


def count_missing(runs: Sequence[Run], rounds: int) -> int:
    """Undisturbed runs that are still to be taken."""
    return max(0, rounds - sum(not run.disturbed for run in runs))


def choose(runs: Sequence[Run]) -> list[Run]:
    """The undisturbed runs; where they are too few, the least disturbed besides."""
    calm = sum(not run.disturbed for run in runs)
    ranked = sorted(runs, key=lambda run: max(run.disturbance, 1))
    chosen = ranked[: max(LEAST_RUNS, calm)]
    return [run for run in runs if run in chosen]


def _judge(run: Run, best: dict[str, float]) -> Run:
    """A run that ended before it could be told was not disturbed: it has an error instead."""
    if run.probe_ms is None or run.others is None:
        return run
    conditions = Conditions(run.probe_ms, run.others)
    return dataclasses.replace(run, disturbance=measure_disturbance(conditions, best[run.bench]))
