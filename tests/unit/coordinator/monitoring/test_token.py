"""The token for Prometheus: there, readable, and no reason not to start."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from headrace_coordinator.monitoring.token import write_token


def test_the_token_is_written_for_all_to_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    for token in (b"one", b"two", b"two"):
        write_token(file, token)
        assert file.read_bytes() == token + b"\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [file]


def test_one_that_cannot_be_written_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_token(tmp_path / "nowhere" / "token", b"one")
    assert "cannot be written to" in caplog.text
