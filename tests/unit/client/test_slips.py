"""Slips of the hand on the command line: the line says what was meant, or what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.said import say


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").write_text("def double(n): return 2 * n\n")
    (tmp_path / "numbers.jsonl").write_text("1\n")
    (tmp_path / "round").symlink_to("round")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run map numbers.jsonl shop:double", "'shop:double' is no file: the function comes first"),
        ("jobs --since yesterday", "'yesterday' is no time: write 2h for two hours ago, or 2026-"),
        ("run primes count -5 10", "-5 is negative: numbers begin at 0"),
        ("run primes test 7 -7", "-7 is negative: numbers begin at 0"),
        ("run primes count 0 10 --slots -1", "slots is '-1': give 'auto', a number from 1"),
        ("run primes count 0 10 --timeout -1", "'-1' is not a duration: write 30s"),
        ("run primes count 0 10 --priority -500", "-500 is not in the range -100<=x<=100"),
        (f"run primes count 0 10 --retries {'9' * 23}", "9' is not in the range 0<=x<=1000"),
        (f"jobs --limit {'9' * 23}", "9' is not in the range 1<=x<=9223372036854775806"),
        ("jobs --limit 0", "0 is not in the range x>=1."),
        ("dead replay abc -1", "-1 is negative: numbers begin at 0"),
        ("coordinator --data /dev/null", "'/dev/null' is not a folder"),
        ("jobs --limit 2^80", "'2^80' is not in the range 1<=x<="),
        ("jobs --since 99999d", "'99999d' is too long ago: give 36525d at most"),
        (f"jobs --since {'9' * 30}h", "h' is too long ago: give 36525d at most"),
        ("jobs --since 2026-13-01", "'2026-13-01' is no time: write 2026-11-20T08:00"),
        ("jobs --limit", "headrace jobs: Option '--limit' requires an argument."),
        ("dead list --traceback=1 x", "headrace dead list: Option '--traceback' does not take a"),
        ("run map shop:double round", "round: Too many levels of symbolic links"),
        ("keys init --data shop.py/data", "shop.py/data cannot be made: Not a directory"),
        ("backup shop.py", "'shop.py' is not a folder"),
        ("run primes count 0 10 --timeout soon", "write 30s, 500ms, 2m, 1h or 7d"),
        ("run primes count 0 10 --timeout 99999d", "'99999d' is out of range: give 1ms to 36525d"),
        ("run primes count 0 10 --name \x1b[31m", r"'\x1b[31m' is not allowed: give up to"),
        (
            f"run primes count 0 10 --name {'n' * 201}",
            "201 characters are too many: give up to 200 printable",
        ),
    ],
)
def test_a_slip_is_told(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    said = say(capsys, *words.split())
    (line,) = said.err.splitlines()
    assert (said.code, said.out) == (2, "")
    assert told in line


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("submit --logs map shop:double -", "as in 'headrace submit map --logs' (see headrace s"),
        ("run --slots=2 primes find 0 10", "as in 'headrace run primes find --slots'"),
        ("submit primes --json count 0 10", "as in 'headrace submit primes count --json'"),
        ("--json workers", "as in 'headrace workers --json'"),
        (
            "keys --role worker new alice",
            "here: options of a command go behind it, as in 'headrace keys new --role'",
        ),
        ("--nonesuch workers", "(see headrace --help)"),
    ],
)
def test_an_option_before_its_command_is_told_where_it_belongs(
    capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    said = say(capsys, *words.split())
    (line,) = said.err.splitlines()
    assert said.code == 2
    assert told in line


@pytest.mark.parametrize(
    ("value", "code", "told"),
    [
        ("maybe", 2, "'--json' (env var: 'HEADRACE_JSON'): 'maybe' is neither yes nor no: write 1"),
        ("1", 69, "no coordinator answers"),
        ("false", 69, "no coordinator answers"),
        ("", 69, "no coordinator answers"),
    ],
)
def test_the_variable_of_a_flag_is_yes_or_no(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    code: int,
    told: str,
) -> None:
    monkeypatch.setenv("HEADRACE_JSON", value)
    said = say(capsys, "jobs", "--coordinator", "127.0.0.1:1")
    assert said.code == code
    assert told in said.err


def test_a_negative_value_of_an_option_is_no_number_of_the_range(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = say(capsys, *["run", "primes", "count", "0", "10", "--priority", "-5", "--slots", "1"])
    assert (said.code, said.out) == (0, "4\n")


@pytest.mark.parametrize(
    ("name", "asked"), [("shp", "; did you mean 'shop'?"), ("nonesuch.part", "")]
)
def test_a_module_that_is_not_there_is_told_before_anything_runs(
    capsys: pytest.CaptureFixture[str], name: str, asked: str
) -> None:
    said = say(capsys, "run", "map", f"{name}:double", "numbers.jsonl")
    (line,) = said.err.splitlines()
    assert said.code == 2
    top = name.partition(".")[0]
    assert line == f"headrace: there is no module {top!r} here: name its folder with --path{asked}"
