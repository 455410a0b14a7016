"""A data folder of an earlier version, for stores of this one to open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator.store import loading as store_loading
from support.first_store import unpack


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder as the coordinator of version 0.1 left it when it was killed. The machine has
    not been started again since, for the stores of this process.
    """
    looked_at = unpack(tmp_path / "looked at", "store")
    with closing(sqlite3.connect(looked_at / "headrace.db")) as connection:
        (then,) = connection.execute("SELECT boot FROM clock").fetchone()
    boot = tmp_path / "boot"
    boot.write_text(then)
    monkeypatch.setattr(store_loading, "BOOT_FILE", boot)
    return unpack(tmp_path / "data", "store")
