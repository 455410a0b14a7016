"""Groups of commands: what they say when no command is named, or one that does not exist."""

from __future__ import annotations

import pytest

from support.said import say

GROUPS = ["", "run", "submit", "run primes", "submit images", "dead", "shared"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_shows_its_help_as_help(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    alone, asked = say(capsys, *group.split()), say(capsys, *group.split(), "--help")
    assert (alone.code, alone.out) == (2, "")
    assert alone.err == asked.out
    assert "\nCommands:\n" in alone.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("jbos", "'jobs'"),
        ("Workers", "'workers' or 'worker'"),
        ("run prime", "'primes'"),
        ("submit mpa", "'map'"),
        ("run images blurr", "'blur'"),
        ("submit primes cuont", "'count'"),
        ("dead lst", "'list'"),
        ("shared lits", "'list'"),
        ("primes", "'run primes' or 'submit primes'"),
        ("map", "'run map' or 'submit map'"),
    ],
)
def test_what_was_probably_meant_is_suggested_in_one_line(
    words: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, *words.split())
    (line,) = said.err.splitlines()
    assert said.code == 2
    assert f"No such command '{words.rsplit(maxsplit=1)[-1]}'. Did you mean {meant}?" in line


def test_where_nothing_is_near_nothing_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "xyzzy")
    assert said.err == "headrace: No such command 'xyzzy'. (see headrace --help)\n"
