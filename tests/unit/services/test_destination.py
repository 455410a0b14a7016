"""A result's file is written completely or not at all, and has no name until then if possible."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headrace_services.destination import open_destination
from headrace_services.service import Target
from headrace_wire.errors import OutputError
from headrace_wire.system import unnamed_files
from headrace_wire.system.unnamed_files import open_unnamed

#: A program that writes part of a result, says so, and waits to be killed.
WRITER = """
import sys
from pathlib import Path
from headrace_services.destination import open_destination
from headrace_services.service import Target
with open_destination(Target(sys.stdout.buffer, path=Path(sys.argv[1]))) as file:
    file.write(b"begun")
    file.flush()
    print("begun", flush=True)
    sys.stdin.readline()
"""


def make_target(path: Path) -> Target:
    return Target(io.BytesIO(), path=path)


def fail_after_writing(path: Path, error: Exception) -> None:
    with open_destination(make_target(path)) as file:
        file.write(b"new")
        raise error


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether files without a name are used, or the system has none."""
    if request.param == "named":
        monkeypatch.setattr(unnamed_files, "_TMPFILE", None)
    elif (descriptor := open_unnamed(tmp_path)) is None:
        pytest.skip("this system has no files without a name")
    else:
        os.close(descriptor)
    return str(request.param)


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_file_appears_when_it_is_complete(way: str, tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "out"
    if old is not None:
        path.write_bytes(old)
    with open_destination(make_target(path)) as file:
        file.write(b"new")
        file.flush()
        others = [name for name in list_names(tmp_path) if name != "out"]
        assert len(others) == (way == "named")
        assert (path.read_bytes() if path.exists() else None) == old
    assert path.read_bytes() == b"new"
    assert list_names(tmp_path) == ["out"]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_one_that_another_made_meanwhile_is_replaced(way: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_destination(make_target(path)) as file:
        file.write(b"new")
        path.write_bytes(b"other")
    assert path.read_bytes() == b"new"
    assert list_names(tmp_path) == ["out"]


def test_a_link_stays_one(way: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "out").symlink_to("folder/real")
    with open_destination(make_target(tmp_path / "out")) as file:
        file.write(b"new")
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "folder" / "real").read_bytes() == b"new"
    assert list_names(tmp_path / "folder") == ["real"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_an_error_leaves_what_was_there(way: str, tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "out"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(LookupError):
        fail_after_writing(path, LookupError())
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == (
        [] if old is None else [("out", old)]
    )


def test_a_disk_that_is_full_at_the_end_leaves_what_was_there(way: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    told = "cannot write .*out: No space left on device; nothing was left there"
    with pytest.raises(OutputError, match=told):
        fail_after_writing(path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert path.read_bytes() == b"old"
    assert list_names(tmp_path) == ["out"]


def test_a_writer_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    if (descriptor := open_unnamed(tmp_path)) is None:
        pytest.skip("this system has no files without a name")
    os.close(descriptor)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "out")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as writer:  # fmt: skip
        assert writer.stdout
        assert writer.stdout.readline() == b"begun\n"
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
    assert list_names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.EACCES])
def test_a_file_system_without_such_files_gets_named_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = os.open

    def refuse(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        tmpfile = unnamed_files._TMPFILE or 0
        if tmpfile and flags & tmpfile == tmpfile:
            raise OSError(number, os.strerror(number), path)
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    assert open_unnamed(tmp_path) is None
    with open_destination(make_target(tmp_path / "out")) as file:
        file.write(b"new")
    assert list_names(tmp_path) == ["out"]


def test_one_that_would_get_no_name_in_the_end_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def refuse(source: Any, *rest: Any, **more: Any) -> None:
        if str(source).startswith("/proc/"):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        link(source, *rest, **more)

    monkeypatch.setattr(os, "link", refuse)
    assert open_unnamed(tmp_path) is None
    with open_destination(make_target(tmp_path / "out")) as file:
        file.write(b"new")
    assert list_names(tmp_path) == ["out"]
