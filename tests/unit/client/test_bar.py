"""The progress bar: what it says of the time that is left."""

from __future__ import annotations

import re

import pytest

from headrace.cli.bar import Bar, shorten_label


class Clock:
    seconds = 100.0

    def read(self) -> float:
        return self.seconds


def watch(
    capsys: pytest.CaptureFixture[str],
    moves: list[tuple[float, int]],
    length: int = 1000,
    waiting_for: str = "",
) -> str:
    """What a bar says of times at last, after moves to positions, so many seconds apart."""
    clock = Clock()
    bar = Bar("primes count", length, clock.read)
    for seconds, position in moves:
        clock.seconds += seconds
        bar.update(position, "")
    bar.note_waiting(waiting_for)
    bar.close()
    *_, said = re.findall(rf"/{length:,} +(0:[^\x1b\n]*[a-z])", capsys.readouterr().err)
    return str(said)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")


def test_what_is_left_is_estimated_from_what_was_done_since_it_is_watched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = (0.1, 900)  # in an hour or in a second: nobody knows
    said = watch(capsys, [before, *((6.0, 900 + done) for done in range(1, 11))])
    assert said == "0:01:00 elapsed, about 0:09:00 left"


def test_nothing_is_estimated_while_the_job_waits(capsys: pytest.CaptureFixture[str]) -> None:
    moves = [(6.0, 10 * done) for done in range(1, 11)]
    assert "left" in watch(capsys, moves)
    assert watch(capsys, moves, waiting_for="no worker is connected") == "0:01:00 elapsed"


def test_nothing_is_estimated_before_something_was_seen_to_be_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert watch(capsys, [(1.0, 900), (9.0, 900)]) == "0:00:10 elapsed"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("primes count", "primes count"),
        ("calls shop:double", "calls shop:double"),
        ("calls package.module:simulate", "calls …module:simulate"),
        ("x" * 30, "x" * 22),
    ],
)
def test_of_a_long_label_the_end_is_shown(label: str, shown: str) -> None:
    assert shorten_label(label, 22) == shown


def test_a_bar_leaves_room_for_what_the_terminal_shows_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    bar = Bar("calls package_of_mine.simulations.wind_tunnels:simulate", 1000)
    bar.close()
    lines = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", capsys.readouterr().err).splitlines()
    assert all(len(line) <= 77 for line in lines)
    assert any("0/1,000" in line for line in lines), "the count is there, however long the label"
