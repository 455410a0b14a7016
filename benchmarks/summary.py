"""What the runs come to: medians with their spread, and ratios taken round by round.

Whatever else a machine does meanwhile, it does to all systems of a round: so what is compared is
the ratio within each round. Where these ratios lie on both sides of 1, it is not known which of the
two systems is better, and the tables say so.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Figure
from benchmarks.results import Results, Run

#: What the others are compared with.
HEADRACE = "headrace"

#: A ratio below this is shown as less than 1.00.
_WORSE = 0.995


@dataclass(frozen=True)
class Summary:
    """A figure of a system over all its runs."""

    values: tuple[float, ...]
    #: Runs that ended with an error, and the last such error.
    failed: int = 0
    error: str | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        return min(self.values), max(self.values)


@dataclass(frozen=True)
class Ratio:
    """How many times as good one system is as another: the median, and the extremes."""

    median: float
    least: float
    most: float
    #: Whether both were measured in the same rounds.
    paired: bool = True

    @property
    def worse(self) -> bool:
        return self.median < _WORSE

    @property
    def undecided(self) -> bool:
        """Whether some rounds say that it is better, and others that it is worse."""
        return self.least < _WORSE and self.most > 1 / _WORSE


def summarize(results: Results, figure: Figure, system: str) -> Summary | None:
    """None if the system was not measured."""
    runs = results.measures.get(figure.measure, {}).get(system)
    if not runs:
        return None
    errors = [run.error for run in runs if run.error]
    return Summary(
        values=tuple(run.figures[figure.name] for run in runs if figure.name in run.figures),
        failed=len(errors),
        error=errors[-1] if errors else None,
    )


def compare(results: Results, figure: Figure, system: str, other: str) -> Ratio | None:
    """How many times as good ``system`` is as ``other``, or None where one has no figure.

    Systems of different benches have no rounds in common: then it is the medians' ratio.
    """
    systems = results.measures.get(figure.measure, {})
    mine = _list_with(figure, systems.get(system, []))
    others = _list_with(figure, systems.get(other, []))
    if not mine or not others:
        return None
    pairs = _pair(mine, others)
    if not pairs:
        middles = [
            statistics.median(run.figures[figure.name] for run in runs) for runs in (mine, others)
        ]
        ratio = _divide(figure, middles[0], middles[1])
        return Ratio(ratio, ratio, ratio, paired=False)
    ratios = [
        _divide(figure, one.figures[figure.name], two.figures[figure.name]) for one, two in pairs
    ]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def _list_with(figure: Figure, runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if figure.name in run.figures]


def _pair(mine: Sequence[Run], others: Sequence[Run]) -> list[tuple[Run, Run]]:
    """Those of the same round."""
    right = {(run.bench, run.round): run for run in others}
    return [(run, right[run.bench, run.round]) for run in mine if (run.bench, run.round) in right]


def _divide(figure: Figure, mine: float, other: float) -> float:
    return mine / other if figure.more_is_better else other / mine
