"""A bench: every system in turn, round after round, until each has its undisturbed runs.

Round by round and not system by system: a machine that is slower for a while is so for all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from benchmarks.disturbance import count_missing, judge
from benchmarks.line import Line
from benchmarks.machine import describe_machine
from benchmarks.process_tree import keep_orphans
from benchmarks.results import Results, Run
from benchmarks.turn import Turn, take_turn

#: Rounds if nothing else is said; there may be as many again for what was disturbed.
ROUNDS = 5


def run_rounds(
    turns: Sequence[Turn],
    rounds: int,
    command: str,
    *,
    say: Callable[[str], None],
    keep: Callable[[Results], None],
) -> Results:
    """Take all turns so many times, and again what was disturbed. ``keep`` is after each round."""
    keep_orphans()
    bench = datetime.now(UTC).isoformat(timespec="seconds")
    results = Results(
        {bench: {"command": command, "rounds": rounds, "machine": describe_machine()}}
    )
    for number in range(1, 2 * rounds + 1):
        due = list(turns) if number <= rounds else _find_due(results, turns, rounds)
        if not due:
            break
        say(f"round {number}" + (", for what was disturbed" if number > rounds else ""))
        for turn in due:
            _take(turn, bench, number, results, say)
        judge(results)
        keep(results)
    return results


def _find_due(results: Results, turns: Sequence[Turn], rounds: int) -> list[Turn]:
    """What has to be measured again, because it was disturbed."""
    due = [
        turn.limit_to(
            measure
            for measure in turn.measures
            if count_missing(results.measures[measure][turn.system], rounds)
        )
        for turn in turns
    ]
    return [turn for turn in due if turn.measures]


def _take(
    turn: Turn, bench: str, number: int, results: Results, say: Callable[[str], None]
) -> None:
    def tell(line: Line) -> None:
        seen = dataclasses.asdict(line.conditions) if line.conditions else {}
        run = Run(bench, number, line.figures, line.error, **seen)
        results.add(line.measure, turn.system, run)
        if line.versions:
            results.versions.setdefault(turn.system, {}).update(line.versions)
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in line.figures.items())
        said = f"  {turn.system}, {line.measure}: {line.error or figures}"
        if run.others is not None:
            said += f"  (probe {run.probe_ms:.1f} ms, others {run.others:.0%})"
        say(said)

    take_turn(turn, tell)
