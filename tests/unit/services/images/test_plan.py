from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from headrace_services.images import plan
from headrace_services.images.payload import MAX_CARRIED_BYTES, PictureInput
from headrace_wire.errors import UsageError
from support.pictures import encode, make_picture

if TYPE_CHECKING:
    from headrace_services.service import Plan


def add(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(make_picture(8, 6), "PNG"))


def inputs_of(planned: Plan) -> list[PictureInput]:
    assert planned.inputs is not None
    return [PictureInput.decode(encoded) for encoded in planned.inputs]


def outputs_of(planned: Plan) -> list[str]:
    return [picture.output for picture in inputs_of(planned)]


def refuse(said: str, *inputs: Path, into: Path, operation: str = "blur", **how: Any) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        plan(operation, inputs, into, **how)
    assert "\n" not in str(caught.value)


def test_a_folder_gives_its_own_pictures(tmp_path: Path) -> None:
    add(tmp_path / "in", "b.JPG", "a.png", "c.webp", "d.tif", "e.gif", "f.jpeg")
    add(tmp_path / "in", "notes.txt", ".hidden.jpg", "sub/deep.jpg", "folder.jpg/x.txt")
    planned = plan("blur", [tmp_path / "in"], tmp_path / "out")
    assert outputs_of(planned) == ["a.png", "b.JPG", "c.webp", "d.tif", "e.gif", "f.jpeg"]
    assert planned.tasks == 6
    assert planned.operation == "blur"


def test_recursive_keeps_sub_folders(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.jpg", "2024/may/a.jpg", "2024/b.png", ".thumbnails/a.jpg")
    planned = plan("blur", [tmp_path / "in"], tmp_path / "out", recursive=True)
    assert sorted(outputs_of(planned)) == ["2024/b.png", "2024/may/a.jpg", "a.jpg"]


def test_files_are_taken_whatever_their_names(tmp_path: Path) -> None:
    add(tmp_path, "holiday.jpg", "upload-7", "notes.txt")
    (tmp_path / "notes.txt").write_text("no picture at all")
    files = [tmp_path / name for name in ("holiday.jpg", "upload-7", "notes.txt")]
    planned = plan("blur", files, tmp_path / "out")
    assert outputs_of(planned) == ["holiday.jpg", "upload-7.png", "notes.txt"]


def test_a_format_renames_what_has_another(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png", "b.jpeg")
    planned = plan("convert", [tmp_path / "in"], tmp_path / "out", file_format="jpg")
    assert outputs_of(planned) == ["a.jpg", "b.jpeg"]
    assert planned.parameters["format"] == "jpeg"


def test_parameters_and_inputs_travel(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png")
    planned = plan("thumbnail", [tmp_path / "in"], tmp_path / "out", size="80x60", quality=70)
    parameters = msgpack.unpackb(msgpack.packb(planned.parameters))
    assert parameters["size"] == [80, 60]
    assert parameters["quality"] == 70
    assert parameters["output_dir"] == str(tmp_path / "out")
    (picture,) = inputs_of(planned)
    assert picture.source == str(tmp_path / "in" / "a.png")
    assert picture.content == (tmp_path / "in" / "a.png").read_bytes()


def test_shared_sends_absolute_paths_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(tmp_path / "in", "a.png")
    monkeypatch.chdir(tmp_path)
    planned = plan("blur", [Path("in")], Path("out"), shared=True)
    (picture,) = inputs_of(planned)
    assert picture == PictureInput("in/a.png", "a.png", "path", str(tmp_path / "in" / "a.png"))
    assert planned.parameters["output_dir"] == str(tmp_path / "out")
    assert planned.parameters["shared"] is True


def test_files_are_read_when_their_turn_comes(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png", "b.png")
    planned = plan("blur", [tmp_path / "in"], tmp_path / "out")
    assert planned.inputs is not None
    upload = iter(planned.inputs)
    next(upload)
    (tmp_path / "in" / "b.png").write_bytes(b"changed since")
    assert PictureInput.decode(next(upload)).content == b"changed since"


def test_a_file_that_vanishes_fails_alone(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png", "b.png", "c.png")
    planned = plan("blur", [tmp_path / "in"], tmp_path / "out")
    (tmp_path / "in" / "b.png").unlink()
    assert [picture.kind for picture in inputs_of(planned)] == ["data", "problem", "data"]
    assert inputs_of(planned)[1].content == "cannot be read: No such file or directory"


def test_what_cannot_be_read_in_a_folder_fails_alone(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png", "2024/b.png")
    (tmp_path / "in" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "in" / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(tmp_path / "in" / "2024" / "pipe.jpg")
    (tmp_path / "out").mkdir()
    planned = plan("blur", [tmp_path / "in"], tmp_path / "out", recursive=True)
    said = {one.output: one.content for one in inputs_of(planned) if one.kind == "problem"}
    assert said == {
        "gone.jpg": f"cannot be read: it is a link to {tmp_path / 'nowhere'}, which does not exist",
        "itself.jpg": "cannot be read: Too many levels of symbolic links",
        "2024/pipe.jpg": "cannot be read: it is not a regular file",
    }
    assert planned.tasks == 5


def test_a_file_that_outgrows_the_queue_fails_alone(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png")
    planned = plan("blur", [tmp_path / "in"], tmp_path / "out")
    os.truncate(tmp_path / "in" / "a.png", MAX_CARRIED_BYTES + 1)
    (picture,) = inputs_of(planned)
    assert picture.kind == "problem"
    assert "use --shared" in str(picture.content)


def test_a_file_too_large_for_the_queue_is_refused_unless_shared(tmp_path: Path) -> None:
    add(tmp_path, "big.tif")
    os.truncate(tmp_path / "big.tif", MAX_CARRIED_BYTES + 1)
    refuse("big.tif is over 192 MiB.*use --shared", tmp_path / "big.tif", into=tmp_path / "out")
    assert plan("blur", [tmp_path / "big.tif"], tmp_path / "out", shared=True).tasks == 1


def test_a_name_that_is_not_utf8_is_planned(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png")
    odd = os.fsencode(tmp_path / "in") + b"/caf\xe9.png"
    shutil.copy(os.fsencode(tmp_path / "in" / "a.png"), odd)
    assert os.fsencode(outputs_of(plan("blur", [tmp_path / "in"], tmp_path / "out"))[1]) == (
        b"caf\xe9.png"
    )


def test_inputs_that_are_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    add(tmp_path / "deep", "sub/a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    out = tmp_path / "out"
    refuse("no input", into=out)
    refuse("nowhere does not exist", tmp_path / "nowhere", into=out)
    refuse("empty has no pictures in it", tmp_path / "empty", into=out, recursive=True)
    refuse("deep has no pictures in it .--recursive", tmp_path / "deep", into=out)
    refuse("pipe.jpg is neither a file nor a folder", tmp_path / "pipe.jpg", into=out)


def test_names_that_collide_are_refused_naming_both(tmp_path: Path) -> None:
    add(tmp_path, "a/x.jpg", "b/x.jpg", "c/y.jpg", "c/y.png")
    out = tmp_path / "out"
    refuse(
        "a/x.jpg and .*b/x.jpg would both be written as x.jpg",
        tmp_path / "a",
        tmp_path / "b",
        into=out,
    )
    assert plan("blur", [tmp_path / "c"], out).tasks == 2
    refuse(
        "c/y.jpg and .*c/y.png would both be written as y.webp",
        tmp_path / "c",
        into=out,
        operation="convert",
        file_format="webp",
    )


def test_the_same_file_twice_is_a_collision(tmp_path: Path) -> None:
    add(tmp_path, "a.jpg")
    refuse("both be written", tmp_path / "a.jpg", tmp_path / "a.jpg", into=tmp_path / "out")


def test_outputs_never_overwrite_inputs(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.jpg", "sub/b.jpg")
    refuse("a.jpg would be overwritten", tmp_path / "in", into=tmp_path / "in")
    refuse("a.jpg would be overwritten", tmp_path / "in" / "a.jpg", into=tmp_path / "in")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    refuse("a.jpg would be overwritten", tmp_path / "in", into=tmp_path / "link")
    refuse("lies inside", tmp_path / "in", into=tmp_path / "in" / "out", recursive=True)
    assert plan("blur", [tmp_path / "in"], tmp_path / "in" / "out").tasks == 1
    assert plan("convert", [tmp_path / "in"], tmp_path / "in", file_format="png").tasks == 1


def test_an_output_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, "a.jpg", "plain")
    refuse("plain is not a folder", tmp_path / "a.jpg", into=tmp_path / "plain" / "out")
    monkeypatch.setattr(os, "access", lambda *_, **_named: False)
    refuse("is not writable: choose another", tmp_path / "a.jpg", into=tmp_path / "out")
    monkeypatch.setattr(os, "access", lambda _, how, **_named: not how & os.R_OK)
    assert plan("blur", [tmp_path / "a.jpg"], tmp_path / "out").tasks == 1


def test_paths_from_a_folder_that_was_removed_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(tmp_path, "a.jpg")
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    refuse(
        "out cannot be found: the present folder was removed", tmp_path / "a.jpg", into=Path("out")
    )
    refuse("a.jpg cannot be found", Path("a.jpg"), into=tmp_path / "out")
    assert plan("blur", [tmp_path / "a.jpg"], tmp_path / "out").tasks == 1


def test_options_of_another_operation_are_refused(tmp_path: Path) -> None:
    add(tmp_path, "a.jpg")
    file, out = tmp_path / "a.jpg", tmp_path / "out"
    refuse("radius is for blur only", file, into=out, operation="edges", radius=2)
    refuse("size is for thumbnail only", file, into=out, operation="blur", size="20")
    refuse("convert needs a format", file, into=out, operation="convert")
    refuse("no operation 'melt'", file, into=out, operation="melt")
    refuse("'bmp' is not known", file, into=out, file_format="bmp")
    refuse("quality 0 cannot be used", file, into=out, quality=0)
    refuse("size '1x' cannot be read", file, into=out, operation="thumbnail", size="1x")


def test_planning_writes_nothing(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.jpg")
    plan("blur", [tmp_path / "in"], tmp_path / "out" / "deep")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    ("name", "wanted", "file_format"),
    [("out.jpg", None, "jpeg"), ("OUT.TIF", None, "tiff"), ("out.png", "PNG", "png")],
)
def test_one_picture_goes_into_a_file_whose_name_says_the_format(
    tmp_path: Path, name: str, wanted: str | None, file_format: str
) -> None:
    add(tmp_path, "a.png")
    planned = plan("convert", [tmp_path / "a.png"], tmp_path / name, file_format=wanted)
    assert outputs_of(planned) == [name]
    assert planned.parameters["format"] == file_format
    assert planned.parameters["output_dir"] == str(tmp_path)


def test_a_folder_with_the_name_of_a_picture_is_a_folder(tmp_path: Path) -> None:
    add(tmp_path, "a.png", "out.jpg/b.png")
    planned = plan("blur", [tmp_path / "a.png"], tmp_path / "out.jpg")
    assert outputs_of(planned) == ["a.png"]
    assert planned.parameters["output_dir"] == str(tmp_path / "out.jpg")


@pytest.mark.parametrize("name", ["out.xyz", "OUT.BMP", "photos.2025", ".out.jpgx"])
def test_the_file_of_one_picture_has_the_suffix_of_a_format(tmp_path: Path, name: str) -> None:
    add(tmp_path, "a.png", "in/b.png")
    said = rf"{name} ends in \{name[name.rindex('.') :]}, which is no format of pictures: .*\.jpg,"
    refuse(said, tmp_path / "a.png", into=tmp_path / name)
    refuse(said, tmp_path / "a.png", into=tmp_path / name, file_format="png")
    assert plan("blur", [tmp_path / "in"], tmp_path / name).parameters["single"] is False
    (tmp_path / name).mkdir()
    assert plan("blur", [tmp_path / "a.png"], tmp_path / name).parameters["single"] is False


@pytest.mark.parametrize("name", ["out", ".out", "out."])
def test_a_name_without_a_suffix_is_that_of_a_folder(tmp_path: Path, name: str) -> None:
    add(tmp_path, "a.png")
    planned = plan("blur", [tmp_path / "a.png"], tmp_path / name)
    assert planned.parameters["output_dir"] == str(tmp_path / name)


def test_several_pictures_do_not_go_into_a_file(tmp_path: Path) -> None:
    add(tmp_path / "in", "a.png")
    files = [tmp_path / "in", tmp_path / "in/a.png"]
    said = "out.jpg is not a folder but the name of one picture"
    refuse(said, *files, into=tmp_path / "out.jpg")
    refuse(said, files[0], into=tmp_path / "out.jpg")
    assert not (tmp_path / "out.jpg").exists()


def test_a_file_is_not_written_over_itself_nor_in_a_format_that_it_does_not_name(
    tmp_path: Path,
) -> None:
    add(tmp_path, "a.png")
    refuse("would be overwritten", tmp_path / "a.png", into=tmp_path / "a.png")
    said = "out.jpg is the name of a JPEG picture, and the format asked for is PNG"
    refuse(said, tmp_path / "a.png", into=tmp_path / "out.jpg", file_format="png")
