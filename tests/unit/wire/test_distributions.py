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


def test_what_is_installed_later_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "mine" not in list_entry_points("headrace.services")
    announce(tmp_path / "mine-1.dist-info", "mine = mine:SERVICE")
    assert list_entry_points("headrace.services")["mine"] == "mine:SERVICE"


def test_of_two_versions_the_one_in_front_speaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    front, behind = tmp_path / "front", tmp_path / "behind"
    announce(front / "mine-2.dist-info", "mine = new:SERVICE")
    announce(behind / "mine-1.dist-info", "mine = old:SERVICE\nold = old:OTHER")
    monkeypatch.setattr(sys, "path", [*sys.path, str(front), str(behind)])
    found = list_entry_points("headrace.services")
    assert found["mine"] == "new:SERVICE"
    assert "old" not in found


def announce(folder: Path, lines: str) -> None:
    folder.mkdir(parents=True)
    (folder / "entry_points.txt").write_text(f"[headrace.services]\n{lines}\n")


def test_importlib_is_asked_where_there_are_archives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive = tmp_path / "archive.zip"
    archive.touch()
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive)])
    assert find_version("headrace") == metadata.version("headrace")
    assert "primes" in list_entry_points("headrace.services")
