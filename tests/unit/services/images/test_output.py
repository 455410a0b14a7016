from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace_services.images.output import place_output, write_whole


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.jpg", "a/../../b.jpg", "", ".", "a\0.jpg"])
def test_names_that_lead_out_of_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its name"):
        place_output(tmp_path, name)


def test_names_keep_their_sub_folders(tmp_path: Path) -> None:
    assert place_output(tmp_path, "a/b.jpg") == tmp_path / "a" / "b.jpg"


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "c.jpg", b"picture")
    assert (tmp_path / "a" / "b" / "c.jpg").read_bytes() == b"picture"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c.jpg"]


def test_a_file_gets_the_permissions_that_the_user_gives_new_files(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "written", b"")
    assert (tmp_path / "written").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_file_that_was_there_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old and longer")
    write_whole(target, b"new")
    assert target.read_bytes() == b"new"


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.jpg"
    target.write_bytes(b"old")

    def fail(source: Path, destination: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_the_longest_name_that_a_folder_takes_can_be_written(tmp_path: Path) -> None:
    name = "x" * 251 + ".jpg"
    write_whole(tmp_path / name, b"picture")
    assert [path.name for path in tmp_path.iterdir()] == [name]
