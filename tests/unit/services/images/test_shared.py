"""Shared jobs, whose pictures workers read and write beneath their roots."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from headrace_services.images import IMAGES, plan
from headrace_services.images.payload import PictureInput, PictureValue
from headrace_services.permits import Permits
from headrace_wire.errors import TaskFailedError
from support.picture_jobs import files_below, run

if TYPE_CHECKING:
    from pathlib import Path


def test_shared_values_carry_no_pictures(album: Path, tmp_path: Path) -> None:
    values, _ = run(plan("edges", [album / "a.jpg"], tmp_path / "out", shared=True))
    value = PictureValue.decode(values[0][1])
    assert value.data is None
    assert value.bytes_in == (album / "a.jpg").stat().st_size
    assert value.bytes_out == (tmp_path / "out" / "a.jpg").stat().st_size


def test_a_shared_output_that_cannot_be_written_fails_its_task(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out", shared=True)
    (tmp_path / "out").write_text("in the way")
    _, failures = run(planned)
    assert failures == [f"{album / 'a.jpg'}: {os.strerror(errno.ENOTDIR)}"]


def test_a_worker_without_a_root_says_how_to_start_it(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out", shared=True)
    for roots in ((), (str(tmp_path / "other"),), (str(album)[:-1],)):
        values, (failure,) = run(planned, roots)
        assert not values
        assert f"nothing to read in {album}" in failure
        assert f"start it with --shared-root {album} or" in failure
    values, (failure,) = run(planned, (str(album),))
    assert not values
    assert f"may write nothing in {tmp_path / 'out'}" in failure
    assert not (tmp_path / "out").exists()
    assert len(run(planned, (str(album), str(tmp_path / "out")[:-4] + "/"))[0]) == 1


def test_shared_files_are_had_through_links_that_stay_beneath_the_root(
    album: Path, tmp_path: Path
) -> None:
    (album / "link").symlink_to("sub")
    (album / "absolute").symlink_to(album / "sub")
    (tmp_path / "secret.jpg").write_bytes((album / "a.jpg").read_bytes())
    (album / "leak.jpg").symlink_to(tmp_path / "secret.jpg")
    (album / "way").symlink_to(tmp_path)
    inputs = [album / "link" / "c.webp", album / "absolute" / "c.webp"]
    for path in inputs:
        assert run(plan("blur", [path], album / "out", shared=True), (str(album),))[0]
    for path in (album / "leak.jpg", album / "way" / "secret.jpg"):
        planned = plan("blur", [path], album / "out", shared=True)
        assert "leads out of the folder" in run(planned, (str(album),))[1][0]
    planned = plan("blur", [album / "a.jpg"], album / "way" / "out", shared=True)
    assert "leads out of the folder" in run(planned, (str(album),))[1][0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", [".ssh/authorized_keys", "evil.py", "a.png"])
def test_a_shared_picture_has_the_name_of_one(album: Path, tmp_path: Path, name: str) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out", shared=True, file_format="jpeg")
    IMAGES.permit(Permits(roots=(str(tmp_path),)))
    runner = IMAGES.prepare("blur", planned.parameters)
    picture = PictureInput("a.jpg", name, "path", str(album / "a.jpg"))
    value = PictureValue.decode(runner(0, picture.encode()))
    assert value.output == {"a.png": "a.jpg"}.get(name, name + ".jpg")
    assert files_below(tmp_path / "out") == [value.output]
    for leading_out in ("../a.jpg", "/a.jpg", "x/../../a.jpg"):
        picture = PictureInput("a.jpg", leading_out, "path", str(album / "a.jpg"))
        with pytest.raises(TaskFailedError, match="leads out of the output folder"):
            runner(0, picture.encode())


def test_a_shared_file_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    IMAGES.permit(Permits(roots=(str(tmp_path), "/dev")))
    runner = IMAGES.prepare("blur", {"output_dir": str(tmp_path), "shared": True})
    for path in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(TaskFailedError, match="it is not a regular file"):
            runner(0, PictureInput("x", "x.jpg", "path", str(path)).encode())


def test_a_slot_reads_no_path_unless_the_job_is_shared(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out")
    runner = IMAGES.prepare("blur", planned.parameters)
    stray = PictureInput("a.jpg", "a.jpg", "path", str(album / "a.jpg"))
    with pytest.raises(TaskFailedError, match="only shared jobs read files by path"):
        runner(0, stray.encode())
