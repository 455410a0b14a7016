from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from headrace_services.images import IMAGES, plan
from headrace_services.images import service as service_module
from headrace_services.images.formats import sniff_format
from headrace_services.images.payload import PictureInput, PictureValue
from headrace_services.permits import Permits, RefusedError
from headrace_services.service import Gathered, Service, Target
from headrace_wire.errors import OutputError, TaskFailedError, UsageError
from support.pictures import decode, encode, make_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace_services.service import Plan


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Five files, three of which are whole pictures."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "sub/c.webp"):
        (folder / name).write_bytes(encode(make_picture(), decode_suffix(name)))
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:700])
    (folder / "empty.png").touch()
    return folder


def decode_suffix(name: str) -> str:
    return {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[Path(name).suffix]


def run(
    planned: Plan, roots: tuple[str, ...] = ("/",)
) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Run a plan's tasks as a slot would: the values by index, and the failures' texts."""
    IMAGES.permit(Permits(roots=roots))
    runner = IMAGES.prepare(planned.operation, planned.parameters)
    values: list[tuple[int, bytes]] = []
    failures: list[str] = []
    assert planned.inputs is not None
    for index, task_input in enumerate(planned.inputs):
        try:
            values.append((index, runner(index, task_input)))
        except (TaskFailedError, RefusedError) as error:
            failures.append(str(error))
    return values, failures


def gather(
    planned: Plan, values: Iterator[tuple[int, bytes]], path: Path | None = None
) -> Gathered:
    target = Target(io.BytesIO(), path, outputs=planned.outputs)
    return IMAGES.gather(planned.operation, planned.parameters, values, target)


def values_named(*names: str) -> Iterator[tuple[int, bytes]]:
    for index, name in enumerate(names):
        yield index, PictureValue(name, b"picture", 10, 7).encode()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


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


def test_a_picture_is_written_as_its_name_says(album: Path, tmp_path: Path) -> None:
    """A PNG that somebody named .jpg."""
    (album / "b.png").rename(album / "liar.jpg")
    planned = plan("blur", [album / "liar.jpg"], tmp_path / "out")
    gather(planned, iter(run(planned)[0]))
    assert decode((tmp_path / "out" / "liar.jpg").read_bytes()).format == "JPEG"


def test_a_file_without_a_picture_in_it_fails_by_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    _, failures = run(plan("blur", [tmp_path / "notes.txt"], tmp_path / "out"))
    assert failures == [
        f"{tmp_path / 'notes.txt'}: this is not a JPEG, PNG, WebP, TIFF, GIF picture"
    ]


def test_results_can_be_fetched_into_another_folder(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out")
    gathered = gather(planned, iter(run(planned)[0]), tmp_path / "elsewhere")
    assert files_below(tmp_path / "elsewhere") == ["a.jpg"]
    assert not (tmp_path / "out").exists()
    assert gathered.written.startswith("1 picture (")
    assert gathered.written.endswith("elsewhere")


def gather_foreign(folder: Path | None, *values: PictureValue, **parameters: object) -> Gathered:
    """Gather the pictures of a job that somebody else submitted."""
    encoded = ((index, value.encode()) for index, value in enumerate(values))
    parameters = {"output_dir": str(folder), "shared": False, **parameters}
    return IMAGES.gather("blur", parameters, encoded, Target(io.BytesIO(), folder))


def named(name: str, data: bytes = b"picture") -> PictureValue:
    return PictureValue(name, data, 10, len(data))


def test_names_come_from_the_plan_and_not_from_values(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg", album / "b.png"], tmp_path / "out")
    gathered = gather(planned, values_named(".bashrc", "../b.jpg", "one-too-many.jpg"))
    assert files_below(tmp_path) == [
        *(f"album/{name}" for name in files_below(album)), "out/a.jpg", "out/b.png"
    ]  # fmt: skip
    assert len(gathered.problems) == 1
    assert "no such picture" in gathered.problems[0]


def test_pictures_of_others_need_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="was not submitted from here"):
        gather_foreign(None, named("a.jpg"), output_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_others_stay_in_their_folder_and_replace_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.jpg").write_bytes(b"mine")
    (out / "link").symlink_to(tmp_path)
    (out / "pipe.jpg").symlink_to(tmp_path / "new")
    names = (
        "a.jpg", "mine.jpg", ".bashrc", "../b.jpg", "/tmp/c.jpg", "link/d.jpg", "pipe.jpg",
        "\x1b[31me.jpg", "mine.jpg/f.jpg",
    )  # fmt: skip
    gathered = gather_foreign(out, *map(named, names))
    assert names_in(tmp_path) == ["out"]
    assert names_in(out) == ["\\x1b[31me.jpg", "a.jpg", "link", "mine.jpg", "pipe.jpg"]
    assert (out / "mine.jpg").read_bytes() == b"mine"
    assert len(gathered.problems) == 7


def test_not_every_picture_that_is_refused_is_a_line(tmp_path: Path) -> None:
    gathered = gather_foreign(tmp_path, *(named(f"{number}.py") for number in range(1100)))
    assert len(gathered.problems) == 101
    assert gathered.problems[-1] == "1,000 more pictures were not written"


def test_one_picture_of_others_is_one(tmp_path: Path) -> None:
    gathered = gather_foreign(tmp_path / "a.jpg", named("x.jpg"), named("y.jpg"), single=True)
    assert files_below(tmp_path) == ["a.jpg"]
    assert len(gathered.problems) == 1


def test_one_picture_is_fetched_into_a_file_whose_name_says_its_format(
    album: Path, tmp_path: Path
) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out.jpg")
    value = run(planned)[0]
    for name, said in (
        ("b.png", "b.png is not the name of a jpeg picture"),
        ("b.xyz", "b.xyz ends in .xyz, which is no format of pictures"),
    ):
        with pytest.raises(UsageError, match=said):
            gather(planned, iter(value), tmp_path / name)
    gather(planned, iter(value), tmp_path / "b.jpeg")
    gather(planned, iter(value), tmp_path / "folder")
    assert files_below(tmp_path) == [
        *(f"album/{name}" for name in files_below(album)), "b.jpeg", "folder/out.jpg"
    ]  # fmt: skip


def test_a_shared_job_of_others_writes_nothing_here(tmp_path: Path) -> None:
    gathered = gather_foreign(tmp_path / "out", named("a.jpg"), shared=True)
    assert gathered.problems == ()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_by_a_folder_loses_only_itself(tmp_path: Path) -> None:
    (tmp_path / "out" / "b.jpg").mkdir(parents=True)
    gathered = gather_foreign(tmp_path / "out", *map(named, ("a.jpg", "b.jpg", "c.jpg")))
    assert files_below(tmp_path / "out") == ["a.jpg", "c.jpg"]
    assert gathered.problems == (f"{tmp_path / 'out' / 'b.jpg'} was not written: Is a directory",)
    assert gathered.result == {
        "pictures": 2,
        "bytes": 14,
        "output_dir": str(tmp_path / "out"),
        "frames_dropped": 0,
    }


def test_a_full_disk_ends_it_in_one_line_with_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link: Callable[..., None] = os.link

    def fill_up(source: str, destination: str, **named: Any) -> None:
        if destination == "b.jpg":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        link(source, destination, **named)

    monkeypatch.setattr(os, "link", fill_up)
    with pytest.raises(OutputError, match=r"b\.jpg was not written: No space left on device"):
        gather_foreign(tmp_path / "out", *map(named, ("a.jpg", "b.jpg", "c.jpg")))
    assert files_below(tmp_path / "out") == ["a.jpg"]


def test_a_format_is_chosen_when_the_job_is_submitted_and_not_later(
    album: Path, tmp_path: Path
) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out")
    target = Target(io.BytesIO(), None, "png")
    with pytest.raises(UsageError, match="the format that their job was submitted with"):
        IMAGES.gather(planned.operation, planned.parameters, iter(()), target)


def test_an_output_folder_that_cannot_be_made_is_said(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "a.jpg"], tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"the folder .* cannot be made"):
        gather(planned, values_named("a.jpg"), tmp_path / "file" / "out")


def test_a_job_with_every_picture_failed_writes_nothing(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "empty.png"], tmp_path / "out")
    gathered = gather(planned, iter(run(planned)[0]))
    assert gathered.result == {
        "pictures": 0,
        "bytes": 0,
        "output_dir": str(tmp_path / "out"),
        "frames_dropped": 0,
    }


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


@pytest.mark.parametrize("shared", [False, True])
def test_one_picture_is_written_into_its_file(album: Path, tmp_path: Path, shared: bool) -> None:
    output = tmp_path / "new" / "out.webp"
    planned = plan("blur", [album / "b.png"], output, shared=shared)
    values, failures = run(planned)
    gathered = gather(planned, iter(values), output)
    assert not failures
    assert files_below(tmp_path / "new") == ["out.webp"]
    assert sniff_format(output.read_bytes()) == "webp"
    assert gathered.written.startswith("1 picture ")


def test_one_picture_is_fetched_into_another_file_or_folder(album: Path, tmp_path: Path) -> None:
    planned = plan("blur", [album / "b.png"], tmp_path / "out.png")
    values, _ = run(planned)
    (tmp_path / "folder").mkdir()
    for place in (None, tmp_path / "other.png", tmp_path / "folder"):
        gather(planned, iter(values), place)
    assert (tmp_path / "out.png").is_file()
    assert files_below(tmp_path / "folder") == ["out.png"]
    assert (tmp_path / "other.png").is_file()
