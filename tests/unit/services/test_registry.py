"""Services are found by what installed distributions announce."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from headrace_services import registry
from headrace_services.registry import GROUP, list_services, load_service
from headrace_wire.errors import UsageError


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    registry._find_entries.cache_clear()
    load_service.cache_clear()


def announce(folder: Path, line: str) -> None:
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: test-services\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(f"[headrace.services]\n{line}\n")


def test_our_own_services_are_there() -> None:
    assert {"calls", "images", "primes"} <= set(list_services())
    assert list_services() == sorted(metadata.entry_points(group=GROUP).names)


def test_a_service_that_is_installed_later_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(UsageError, match=r"no service .later. installed"):
        load_service("later")
    announce(tmp_path / "test_services-1.dist-info", "later = headrace_services.primes:PRIMES")
    assert load_service("later") is load_service("primes")


def test_of_two_versions_the_one_in_front_speaks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    front, behind = tmp_path / "front", tmp_path / "behind"
    announce(front / "test_services-2.dist-info", "twofold = headrace_services.primes:PRIMES")
    announce(behind / "test_services-1.dist-info", "twofold = nowhere:OLD\nformer = nowhere:OLD")
    monkeypatch.setattr(sys, "path", [*sys.path, str(front), str(behind)])
    assert load_service("twofold") is load_service("primes")
    assert "former" not in list_services()
