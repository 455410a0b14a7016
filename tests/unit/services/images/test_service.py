"""The service of pictures: what it says of itself and its tasks, and which pictures fail."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from headrace_services.images import IMAGES, plan
from headrace_services.images import service as service_module
from headrace_services.images.payload import PictureInput
from support.picture_jobs import files_below, gather, run
from support.pictures import decode, encode, make_picture

if TYPE_CHECKING:
    from pathlib import Path

    from headrace_services.service import Service


def test_images_is_a_service() -> None:
    service: Service = IMAGES
    assert service.name == "images"
    assert "blur" in service.operations
    assert service.engine().startswith("libvips 8.")
    assert not service.is_ordered("blur")


def test_importing_the_service_loads_neither_libvips_nor_numpy() -> None:
    check = "import sys, headrace_services.images; print({'pyvips', 'numpy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("shared", [False, True])
def test_broken_pictures_fail_alone(album: Path, tmp_path: Path, *, shared: bool) -> None:
    planned = plan("blur", [album], tmp_path / "out", recursive=True, shared=shared)
    values, failures = run(planned)
    gathered = gather(planned, iter(values))
    assert files_below(tmp_path / "out") == ["a.jpg", "b.png", "sub/c.webp"]
    assert decode((tmp_path / "out" / "a.jpg").read_bytes()).size == (64, 48)
    assert [text.split(": ", 1)[0] for text in sorted(failures)] == [
        str(album / "broken.jpg"),
        str(album / "empty.png"),
    ]
    assert "truncated or damaged JPEG" in min(failures)
    assert max(failures).endswith("the file is empty")
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert gathered.result == {
        "pictures": 3,
        "bytes": size,
        "output_dir": str(tmp_path / "out"),
        "frames_dropped": 0,
    }
    assert gathered.written.startswith("3 pictures (")
    assert gathered.written.endswith(f") to {tmp_path / 'out'}")
    assert gathered.problems == ()


@pytest.mark.parametrize("shared", [False, True])
def test_frames_that_the_format_cannot_hold_are_counted_in_the_summary(
    tmp_path: Path, *, shared: bool
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    frames = [make_picture(seed=seed) for seed in range(4)]
    for name, file_format in (("a.gif", "GIF"), ("b.webp", "WEBP"), ("c.tif", "TIFF")):
        moving = encode(frames[0], file_format, save_all=True, append_images=frames[1:])
        (album / name).write_bytes(moving)
    (album / "d.png").write_bytes(encode(frames[0], "PNG"))
    kept = plan("blur", [album], tmp_path / "kept", shared=shared)
    assert "dropped" not in gather(kept, iter(run(kept)[0])).written
    lost = plan("blur", [album], tmp_path / "lost", shared=shared, file_format="png")
    gathered = gather(lost, iter(run(lost)[0]))
    assert gathered.written.endswith(
        f"to {tmp_path / 'lost'}; 9 frames were dropped, of 3 pictures: "
        "only the first is kept where the format holds one"
    )
    assert isinstance(gathered.result, dict)
    assert gathered.result["frames_dropped"] == 9


def test_a_vanished_file_fails_with_its_reason(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out")
    (album / "a.jpg").unlink()
    _, failures = run(planned)
    assert failures == [f"{album / 'a.jpg'}: cannot be read: No such file or directory"]


def test_a_result_too_large_for_the_queue_says_what_to_do(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "MAX_CARRIED_BYTES", 100)
    _, failures = run(plan("blur", [album / "a.jpg"], tmp_path / "out"))
    assert "too large for the queue: use --shared" in failures[0]


def test_a_file_without_a_picture_in_it_fails_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    _, failures = run(plan("blur", [tmp_path / "notes.txt"], tmp_path / "out"))
    assert failures == [
        f"{tmp_path / 'notes.txt'}: this is not a JPEG, PNG, WebP, TIFF, GIF picture"
    ]


def test_a_task_is_named_by_its_file(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out")
    assert planned.inputs is not None
    (task_input,) = planned.inputs
    assert IMAGES.describe("blur", planned.parameters, 0, task_input) == str(album / "a.jpg")


def test_naming_a_task_never_fails() -> None:
    for junk in (None, b"", b"\xc1", b"\x94\x01", b"hello"):
        assert IMAGES.describe("blur", {}, 7, junk) == "picture 7"
    long = PictureInput("x" * 4000 + ".jpg", "a.jpg", "data", b"").encode()
    named = IMAGES.describe("blur", {}, 7, long)
    assert len(named) == 200
    assert named.endswith("x.jpg")


def test_a_job_that_does_not_fit_is_refused() -> None:
    for operation, parameters in (
        ("melt", {"output_dir": "/tmp/x"}),
        ("blur", {}),
        ("blur", {"output_dir": "/tmp/x", "radius": -2.0}),
    ):
        with pytest.raises(ValueError, match=r"operation|output folder|radius"):
            IMAGES.prepare(operation, parameters)
