"""Pictures that are fetched: into which files and folders they go, and what they never replace."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING, Any

import pytest

from headrace_services.images import IMAGES, plan
from headrace_services.images.formats import sniff_format
from headrace_services.images.payload import PictureValue
from headrace_services.service import Gathered, Target
from headrace_wire.errors import OutputError, UsageError
from support.picture_jobs import files_below, gather, run
from support.pictures import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def values_named(*names: str) -> Iterator[tuple[int, bytes]]:
    for index, name in enumerate(names):
        yield index, PictureValue(name, b"picture", 10, 7).encode()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_picture_is_written_as_its_name_says(album: Path, tmp_path: Path) -> None:
    """A PNG that somebody named .jpg."""
    (album / "b.png").rename(album / "liar.jpg")
    planned = plan("blur", [album / "liar.jpg"], tmp_path / "out")
    gather(planned, iter(run(planned)[0]))
    assert decode((tmp_path / "out" / "liar.jpg").read_bytes()).format == "JPEG"


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
