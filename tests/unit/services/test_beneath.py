"""Reading and writing beneath a folder in which others have put links and other traps."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace_services.beneath import Beneath
from support.privileges import obey_modes


def always(_found: os.stat_result) -> bool:
    return True


def never(_found: os.stat_result) -> bool:
    return False


def write(
    folder: Path,
    name: str,
    data: bytes = b"new",
    may_replace: Callable[[os.stat_result], bool] = always,
    *,
    links: bool = False,
) -> None:
    with Beneath(folder, links=links) as beneath:
        beneath.write(name, data, may_replace)


def read(folder: Path, name: str, *, links: bool = False) -> bytes:
    with Beneath(folder, links=links) as beneath:
        return beneath.read(name, 100)


def names_in(folder: Path | str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with links in it, and something outside that they lead to."""
    folder = tmp_path / "root"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"outside")
    for name, place in {
        "out": str(tmp_path), "up": "..", "far": "sub/../../..", "near": "sub",
        "back": "sub/../sub", "file": "sub/file", "leak": "../secret",
        "loop": "loop", "nowhere": "none",
    }.items():  # fmt: skip
        (folder / name).symlink_to(place)
    return folder


def test_a_file_is_written_with_its_folders(root: Path) -> None:
    write(root, "a/b/c.jpg", b"picture")
    assert (root / "a" / "b" / "c.jpg").read_bytes() == b"picture"
    assert [path.name for path in (root / "a" / "b").iterdir()] == ["c.jpg"]


def test_folders_that_may_not_be_listed_are_written_and_read_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "box"
    (folder / "sub").mkdir(parents=True)
    monkeypatch.chdir(root)  # whoever it is, need not find the way to here
    for closed in (root, folder / "sub", folder):
        closed.chmod(0o300)
    try:
        with obey_modes():
            with pytest.raises(PermissionError):
                names_in("box")
            write(Path("box"), "sub/deep/file")
            assert read(Path("box"), "sub/deep/file") == b"new"
    finally:
        for closed in (root, folder, folder / "sub"):
            closed.chmod(0o700)


def test_a_file_gets_the_permissions_that_the_user_gives_new_files(root: Path) -> None:
    (root / "usual").touch()
    write(root, "written")
    assert (root / "written").stat().st_mode == (root / "usual").stat().st_mode


def test_a_file_is_replaced_where_that_is_allowed(root: Path) -> None:
    write(root, "sub/file")
    assert (root / "sub" / "file").read_bytes() == b"new"


def test_a_file_is_left_where_it_may_not_be_replaced(root: Path) -> None:
    with pytest.raises(FileExistsError):
        write(root, "sub/file", may_replace=never)
    write(root, "sub/file", b"inside", never)
    write(root, "sub/other", may_replace=never)
    assert (root / "sub" / "file").read_bytes() == b"inside"
    assert names_in(root / "sub") == ["file", "other"]


def test_where_files_have_one_name_only_they_are_written_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object, **_named: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write(root, "sub/other", may_replace=never)
    assert names_in(root / "sub") == ["file", "other"]


@pytest.mark.parametrize("name", ["out/secret", "up/secret", "near/file", "loop/x", "leak", "file"])
def test_no_link_is_followed(root: Path, name: str) -> None:
    with pytest.raises(OSError, match="link"):
        read(root, name)
    if "/" in name:
        with pytest.raises(OSError, match="link"):
            write(root, name)
    assert (root.parent / "secret").read_bytes() == b"outside"


def test_a_link_in_a_files_place_is_replaced_itself_or_left(root: Path) -> None:
    with pytest.raises(FileExistsError):
        write(root, "leak", b"outside", never)
    write(root, "leak")
    assert not (root / "leak").is_symlink()
    assert (root.parent / "secret").read_bytes() == b"outside"


@pytest.mark.parametrize("name", ["near/file", "back/file", "file"])
def test_links_that_stay_beneath_may_be_followed(root: Path, name: str) -> None:
    assert read(root, name, links=True) == b"inside"


@pytest.mark.parametrize(
    "name", ["out/secret", "up/secret", "far/secret", "leak", "loop", "loop/x"]
)
def test_links_that_lead_out_never_are(root: Path, name: str) -> None:
    for act in (read, write):
        if act is read or "/" in name:
            with pytest.raises(OSError, match=r"leads out|symbolic links"):
                act(root, name, links=True)
    assert (root.parent / "secret").read_bytes() == b"outside"


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "sub/../../secret", "", ".", "a\0b"])
def test_names_that_lead_out_are_refused(root: Path, name: str) -> None:
    for act in (read, write):
        with pytest.raises(OSError, match="leads out"):
            act(root, name, links=True)


def test_only_regular_files_are_read_and_no_larger_ones(root: Path) -> None:
    os.mkfifo(root / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        read(root, "fifo")
    with pytest.raises(IsADirectoryError):
        read(root, "sub")
    (root / "large").write_bytes(bytes(101))
    with pytest.raises(ValueError, match="over"):
        read(root, "large")
    with pytest.raises(OSError, match="not a regular file"):
        read(Path("/dev"), "zero")


def test_a_failed_write_leaves_what_was_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_words: object, **_named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write(root, "sub/file")
    assert (root / "sub" / "file").read_bytes() == b"inside"
    assert names_in(root / "sub") == ["file"]


def test_the_longest_name_that_a_folder_takes_can_be_written(root: Path) -> None:
    name = "x" * 251 + ".jpg"
    write(root, name)
    assert (root / name).is_file()


def test_no_descriptor_is_left(root: Path) -> None:
    before = len(names_in("/proc/self/fd"))
    write(root, "a/b/c")
    read(root, "back/file", links=True)
    for name in ("loop/x", "far/secret", "sub"):
        with pytest.raises(OSError, match=r"."):
            read(root, name, links=True)
    assert len(names_in("/proc/self/fd")) == before
