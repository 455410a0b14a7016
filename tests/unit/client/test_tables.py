"""Tables on a terminal: nothing is folded within its column, and nothing is lost."""

from __future__ import annotations

import pytest

from headrace.cli.tables import draw_table

HEADINGS = ["NAME", "HOST", "SLOTS", "ENGINES"]
ALPHA = ["alpha", "north", "2", "primes: primesieve 11.0"]
BETA = ["beta", "north", "16", "calls: Python 3.11.7, allows shop; primes: primesieve 11.0"]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")


def draw(rows: list[list[str]], width: int, beneath: tuple[str, ...] = ("HOST",)) -> list[str]:
    return draw_table(HEADINGS, rows, {"SLOTS"}, beneath, width).splitlines()


def test_where_there_is_room_each_row_is_a_line() -> None:
    assert draw([ALPHA, BETA], 100) == [
        "NAME   HOST   SLOTS  ENGINES",
        "alpha  north      2  primes: primesieve 11.0",
        "beta   north     16  calls: Python 3.11.7, allows shop; primes: primesieve 11.0",
    ]


def test_a_last_cell_that_is_too_long_is_beneath_its_own_row() -> None:
    assert draw([ALPHA, BETA], 50) == [
        "NAME   HOST   SLOTS  ENGINES",
        "alpha  north      2  primes: primesieve 11.0",
        "beta   north     16",
        "  calls: Python 3.11.7, allows shop; primes:",
        "  primesieve 11.0",
    ]


def test_a_column_without_room_is_beneath_every_row_with_its_heading() -> None:
    assert draw([ALPHA], 25) == [
        "NAME   SLOTS  ENGINES",
        "alpha      2",
        "  host: north; primes:",
        "  primesieve 11.0",
    ]


def test_one_long_cell_leaves_the_column_to_the_others() -> None:
    far = ["gamma", "north-by-north-east.example.org", "4", "primes"]
    assert draw([ALPHA, BETA, far], 50)[-2:] == [
        "gamma             4  primes",
        "  host: north-by-north-east.example.org",
    ]


def test_a_name_stays_whole_whatever_the_width() -> None:
    name = "machine-" * 10
    assert draw([[name, "h", "1", "primes"]], 40)[1].startswith(name)


def test_wide_characters_take_two_columns() -> None:
    heading, first, second = draw([["日本", "h", "1", "e"], ["abcd", "h", "1", "e"]], 80)
    assert heading == "NAME  HOST  SLOTS  ENGINES"
    assert (first, second) == ("日本  h         1  e", "abcd  h         1  e")


@pytest.mark.parametrize(("terminal", "escapes"), [("xterm", True), ("dumb", False), ("", False)])
def test_headings_are_bold_where_the_terminal_can(
    monkeypatch: pytest.MonkeyPatch, terminal: str, escapes: bool
) -> None:
    monkeypatch.setenv("TERM", terminal)
    heading, row = draw([ALPHA], 80)
    assert heading.startswith("\x1b[1mNAME") == escapes
    assert "\x1b" not in row


def test_control_characters_are_shown_and_not_obeyed() -> None:
    assert "\\x1b" in draw([["a\x1b[31m", "h", "1", "e"]], 80)[1]
