"""What is installed, found without importlib.metadata and compared with it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from headrace_wire.distributions import find_version, list_entry_points


def test_installed_versions_are_those_of_importlib() -> None:
    for distribution in metadata.distributions():
        assert find_version(distribution.name) == metadata.version(distribution.name)
    assert find_version("no-such-distribution") is None


def test_entry_points_are_those_of_importlib() -> None:
    for group in metadata.entry_points().groups:
        found = {entry.name: entry.value for entry in metadata.entry_points(group=group)}
        assert list_entry_points(group) == found


def test_importlib_is_asked_where_there_are_archives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = tmp_path / "archive.zip"
    archive.touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive)])
    assert find_version("headrace") == metadata.version("headrace")
    assert "primes" in list_entry_points("headrace.services")
