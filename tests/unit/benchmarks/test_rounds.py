from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import pytest

from benchmarks import rounds
from benchmarks.__main__ import choose_turns
from benchmarks.line import Line
from benchmarks.results import Results
from benchmarks.turn import Turn

A = Turn(Path("python"), "benchmarks.drive", "headrace", ("start", "stream"))
B = Turn(Path("python"), "benchmarks.drive", "Celery", ("start", "stream"))
C = Turn(Path("python"), "benchmarks.whole", "primesieve", ("primes",))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was measured, in order."""
    taken: list[tuple[str, str]] = []

    def take_turn(turn: Turn, tell: Callable[[Line], None]) -> None:
        for measure in turn.measures:
            taken.append((turn.system, measure))
            tell(Line(measure, {"seconds": 1.0}, {"x": "1"}))

    monkeypatch.setattr(rounds, "take_turn", take_turn)
    monkeypatch.setattr(rounds, "keep_orphans", lambda: None)
    return taken


def run(count: int, *turns: Turn) -> Results:
    kept: list[Results] = []
    results = rounds.run_rounds(turns, count, "bench", say=lambda _: None, keep=kept.append)
    assert kept[-1] is results
    return results


def test_systems_take_turns_round_by_round(taken: list[tuple[str, str]]) -> None:
    results = run(2, A, B)
    one_round = [("headrace", "start"), ("headrace", "stream"), ("Celery", "start"),
                 ("Celery", "stream")]  # fmt: skip
    assert taken == [*one_round, *one_round]
    assert [one.round for one in results.measures["stream"]["Celery"]] == [1, 2]


def test_versions_are_kept(taken: list[tuple[str, str]]) -> None:
    assert run(1, C).versions == {"primesieve": {"x": "1"}}
    assert taken == [("primesieve", "primes")]


@pytest.mark.parametrize(
    ("only", "left"),
    [
        ((), [A, B, C]),
        (("Celery",), [B]),
        (("primes",), [C]),
        (("stream", "headrace"), [A.limit_to(["stream"])]),
        (("start",), [A.limit_to(["start"]), B.limit_to(["start"])]),
    ],
)
def test_only_names_systems_and_measures(only: tuple[str, ...], left: list[Turn]) -> None:
    assert choose_turns([A, B, C], only) == left


def test_only_refuses_what_is_not_there() -> None:
    with pytest.raises(click.BadParameter, match="kafka"):
        choose_turns([A, B, C], ["kafka"])
