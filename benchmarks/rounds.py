"""A bench: every system in turn, round after round.

Round by round and not system by system: a machine that is slower for a while is so for all, and
what is compared is measured within some minutes of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from benchmarks.line import Line
from benchmarks.machine import describe_machine
from benchmarks.process_tree import keep_orphans
from benchmarks.results import Results, Run
from benchmarks.turn import Turn, take_turn

#: Rounds if nothing else is said.
ROUNDS = 5


def run_rounds(
    turns: Sequence[Turn],
    rounds: int,
    command: str,
    *,
    say: Callable[[str], None],
    keep: Callable[[Results], None],
) -> Results:
    """Take all turns so many times. ``keep`` is called after each round."""
    keep_orphans()
    bench = datetime.now(UTC).isoformat(timespec="seconds")
    results = Results(
        {bench: {"command": command, "rounds": rounds, "machine": describe_machine()}}
    )
    for number in range(1, rounds + 1):
        say(f"round {number}")
        for turn in turns:
            _take(turn, bench, number, results, say)
        keep(results)
    return results


def _take(
    turn: Turn, bench: str, number: int, results: Results, say: Callable[[str], None]
) -> None:
    def tell(line: Line) -> None:
        results.add(line.measure, turn.system, Run(bench, number, line.figures, line.error))
        if line.versions:
            results.versions.setdefault(turn.system, {}).update(line.versions)
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in line.figures.items())
        say(f"  {turn.system}, {line.measure}: {line.error or figures}")

    take_turn(turn, tell)
