"""Keys' names in tables: they may be long, and the tables fit into a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace.cli.jobs_list import _say_jobs  # pyright: ignore[reportPrivateUsage]
from headrace.cli.keys import keys
from headrace_wire.key import ensure_key
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.role_files import write_role_files
from support.wire_messages import make_message

if TYPE_CHECKING:
    from pathlib import Path

LONG = "anna-maria-of-the-statistics-department"


def show_on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)


def test_jobs_are_listed_with_who_submitted_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    show_on_terminal(monkeypatch)
    fields = {
        "id": "0123456789ab",
        "state": "succeeded",
        "name": "",
        "done": 1,
        "tasks": 1,
        "failed": 0,
    }
    _say_jobs(tuple(make_message(JobStatus, **fields, submitted_by=who) for who in ("admin", LONG)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[-2:] == ["BY", "NAME"]
    assert f"by: {LONG}" in lines[-1]
    assert max(map(len, lines)) <= 80


def test_keys_are_listed_with_when_they_were_made(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = ensure_key(tmp_path / "key")
    write_role_files(tmp_path / "key", key)
    show_on_terminal(monkeypatch)
    keys.main(["new", LONG, "--data", str(tmp_path)], standalone_mode=False)
    capsys.readouterr()
    keys.main(["list", "--data", str(tmp_path)], standalone_mode=False)
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == ["NAME", "ROLE", "MADE", "FILE"]
    assert len(heading) <= 80
    assert lines[-2].startswith(LONG)
    assert lines[-1].startswith("  made: 20")
