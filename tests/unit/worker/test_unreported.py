"""Outcomes that one worker keeps, and the next one takes."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from headrace_wire.messages.reports import DoneSpan
from headrace_wire.messages.spans import HeldSpan
from headrace_worker import unreported

SPANS = [DoneSpan(1, "job", 0, 2, b"values", 0.1, 0.2), DoneSpan(2, "job", 5, 6, b"", 0.0, 0.0)]

#: The lease of the second span.
HELD = (HeldSpan(2, "job", 4, 8, 1, 7, "proof"),)


def test_what_was_kept_is_taken_once(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    unreported.save(folder, SPANS[:1], "a")
    unreported.save(folder, SPANS[1:], "b", HELD)
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600] * 2
    kept = sorted(unreported.take(folder), key=lambda kept: kept.worker)
    assert [(one.worker, list(one.done)) for one in kept] == [("a", SPANS[:1]), ("b", SPANS[1:])]
    assert [one.held for one in kept] == [(), HELD]
    assert unreported.take(folder) == []
    assert list(folder.iterdir()) == []


def test_nothing_is_written_for_nothing(tmp_path: Path) -> None:
    unreported.save(tmp_path / "kept", [])
    assert list(tmp_path.iterdir()) == []
    assert unreported.take(tmp_path / "kept") == []


def test_what_cannot_be_written_or_read_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    unreported.save(tmp_path / "file" / "kept", SPANS)
    assert "the outcomes of 3 tasks cannot be kept" in caplog.text
    (tmp_path / "broken.outcomes").write_bytes(b"\xc1")
    assert unreported.take(tmp_path) == []
    assert "those tasks run again" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["file"]  # it is told only once


def test_a_folder_in_place_of_a_file_is_told_with_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder.outcomes").mkdir()
    assert unreported.take(tmp_path) == []
    assert "those tasks run again" in caplog.text
    assert "remove it yourself" in caplog.text


def test_of_two_workers_one_reports_a_file(tmp_path: Path) -> None:
    unreported.save(tmp_path, SPANS)
    (path,) = tmp_path.iterdir()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert unreported.take(tmp_path) == []
    # That one was killed before it had read it.
    assert [list(kept.done) for kept in unreported.take(tmp_path)] == [SPANS]


@pytest.mark.parametrize("suffix", ["partial", "taken"])
def test_what_killed_workers_left_goes_after_a_while(tmp_path: Path, suffix: str) -> None:
    new, old = tmp_path / f"new.{suffix}", tmp_path / f"old.{suffix}"
    new.touch()
    old.touch()
    os.utime(old, (0.0, 0.0))
    assert unreported.take(tmp_path) == []
    assert list(tmp_path.iterdir()) == [new]


def test_what_another_version_kept_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreported, "PROTOCOL", 1)
    unreported.save(tmp_path, SPANS)
    monkeypatch.undo()
    assert unreported.take(tmp_path) == []
