"""Outcomes that one worker keeps, and the next one takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace_wire.messages import DoneSpan
from headrace_worker import unreported

SPANS = [DoneSpan(1, "job", 0, 2, b"values", 0.1, 0.2), DoneSpan(2, "job", 5, 6, b"", 0.0, 0.0)]


def test_what_was_kept_is_taken_once(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    unreported.save(folder, SPANS[:1])
    unreported.save(folder, SPANS[1:])
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600] * 2
    assert sorted(unreported.take(folder), key=lambda span: span.lease) == SPANS
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


def test_what_another_version_kept_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unreported, "PROTOCOL", 1)
    unreported.save(tmp_path, SPANS)
    monkeypatch.undo()
    assert unreported.take(tmp_path) == []
