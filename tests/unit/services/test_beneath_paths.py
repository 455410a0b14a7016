"""Files beneath a folder by their whole paths, where the system opens them in no other way."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace_services import beneath_paths
from headrace_services.beneath_paths import BeneathPaths


def always(_found: os.stat_result) -> bool:
    return True


def never(_found: os.stat_result) -> bool:
    return False


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with links in it, and something outside that they lead to."""
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    links = {"out": str(tmp_path), "up": "..", "near": "sub", "leak": "../secret"}
    for name, place in links.items():
        (folder / name).symlink_to(place)
    return folder


def test_files_are_written_with_their_folders_and_read(root: Path) -> None:
    beneath = BeneathPaths(root)
    beneath.write("a/b/c", b"new", always)
    assert beneath.read("a/b/c", 10) == b"new"
    assert [path.name for path in (root / "a" / "b").iterdir()] == ["c"]
    with pytest.raises(ValueError, match="over 0 MiB"):
        beneath.read("a/b/c", 2)


def test_what_is_there_is_replaced_where_that_is_allowed(root: Path) -> None:
    beneath = BeneathPaths(root)
    with pytest.raises(FileExistsError):
        beneath.write("sub/file", b"other", never)
    beneath.write("sub/file", b"inside", never)  # it holds the same
    beneath.write("sub/file", b"other", always)
    assert [path.name for path in (root / "sub").iterdir()] == ["file"]
    assert beneath.read("sub/file", 10) == b"other"


@pytest.mark.parametrize("name", ["out/secret", "up/secret", "leak", "../secret", "/etc/passwd"])
@pytest.mark.parametrize("links", [False, True])
def test_nothing_outside_is_read(root: Path, name: str, *, links: bool) -> None:
    with pytest.raises(OSError, match=r"leads out|link on the way"):
        BeneathPaths(root, links=links).read(name, 10)


@pytest.mark.parametrize("name", ["out/new", "up/new", "../new"])
@pytest.mark.parametrize("links", [False, True])
def test_nothing_outside_is_written(root: Path, name: str, *, links: bool) -> None:
    with pytest.raises(OSError, match=r"leads out|link on the way"):
        BeneathPaths(root, links=links).write(name, b"new", always)
    assert not (root.parent / "new").exists()


def test_a_link_that_stays_beneath_is_followed_where_that_is_meant(root: Path) -> None:
    assert BeneathPaths(root, links=True).read("near/file", 10) == b"inside"
    with pytest.raises(OSError, match="link on the way"):
        BeneathPaths(root).read("near/file", 10)


@pytest.mark.parametrize("name", ["one:two", "sub\\file"])
def test_what_windows_takes_for_another_place_is_no_name_there(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beneath_paths, "_MARKS", frozenset("\\:"))
    with pytest.raises(OSError, match="no name has"):
        BeneathPaths(root).write(name, b"new", always)


def test_a_junction_of_windows_is_a_link(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    junction = SimpleNamespace(st_mode=stat.S_IFDIR, st_reparse_tag=7)
    monkeypatch.setattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", 7, raising=False)
    monkeypatch.setattr(Path, "lstat", lambda _: junction)
    with pytest.raises(OSError, match="link on the way"):
        BeneathPaths(root).read("sub/file", 10)
