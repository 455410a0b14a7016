"""The images service: one picture a task."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.images.formats import format_of_name
from headrace_services.images.libvips import load_libvips, name_engine
from headrace_services.images.options import OPERATIONS, Options
from headrace_services.images.output import place_output, write_whole
from headrace_services.images.payload import (
    MAX_CARRIED_BYTES,
    PictureInput,
    PictureValue,
    printable,
    read_source,
)
from headrace_services.service import Gathered, Parameters, Target, TaskRunner
from headrace_wire.errors import OutputError, TaskFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A task is named in at most this many characters.
_LONGEST_DESCRIPTION = 200

#: With these there is no point in trying the other pictures.
_HOPELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})


class PictureRunner(Struct, frozen=True):
    """Runs the tasks of one job in a slot.

    Raises TaskFailedError, whose message begins with the file's name, for a picture that cannot
    be read, decoded, encoded or (``shared``) written.
    """

    options: Options
    output_dir: Path
    shared: bool

    def __call__(self, _index: int, task_input: bytes | None) -> bytes:
        picture = PictureInput.decode(task_input)
        try:
            return self._run(picture).encode()
        except (ValueError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            raise TaskFailedError(f"{printable(picture.source)}: {reason}") from error

    def _run(self, picture: PictureInput) -> PictureValue:
        from headrace_services.images.decoding import recognise  # noqa: PLC0415 -- slots only
        from headrace_services.images.picture import process  # noqa: PLC0415 -- slots only

        data = self._read(picture)
        file_format = self.options.file_format or format_of_name(picture.output) or recognise(data)
        processed = process(data, file_format, self.options)
        encoded, dropped = processed.data, processed.frames_dropped
        if self.shared:
            write_whole(place_output(self.output_dir, picture.output), encoded)
            return PictureValue(picture.output, None, len(data), len(encoded), dropped)
        if len(encoded) > MAX_CARRIED_BYTES:
            raise ValueError(
                f"its result of {len(encoded) >> 20} MiB is too large for the queue: use --shared"
            )
        return PictureValue(picture.output, encoded, len(data), len(encoded), dropped)

    def _read(self, picture: PictureInput) -> bytes:
        match picture.kind, picture.content:
            case "data", bytes() as data:
                return data
            case "path", str() as path:
                if not self.shared:
                    raise ValueError("only shared jobs read files by path")
                return Path(path).read_bytes()
            case _, content:
                raise ValueError(str(content))


class ImagesService:
    """blur, sharpen, edges, grayscale, thumbnail and convert, with libvips."""

    name = "images"
    operations = OPERATIONS

    def engine(self) -> str:
        return name_engine()

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        options = Options.from_parameters(operation, parameters)
        load_libvips()
        return PictureRunner(options, _output_dir(parameters), _is_shared(parameters))

    def describe(
        self,
        operation: str,  # noqa: ARG002 -- the protocol's
        parameters: Parameters,  # noqa: ARG002
        index: int,
        task_input: bytes | None,
    ) -> str:
        try:
            source = printable(read_source(task_input or b""))
        except ValueError:
            return f"picture {index}"
        if len(source) <= _LONGEST_DESCRIPTION:
            return source
        return "…" + source[1 - _LONGEST_DESCRIPTION :]

    def is_ordered(self, operation: str) -> bool:  # noqa: ARG002 -- the protocol's
        return False

    def gather(
        self,
        operation: str,  # noqa: ARG002 -- the protocol's
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        """Write pictures as they come under ``target.path``, or where the plan said.

        One that the plan wanted in a file goes to ``target.path`` itself, unless that is a folder.

        Raises OutputError where no picture can be written there (a full disk, no permission); a
        single one that cannot is told in ``problems``. Shared pictures are counted: they are
        where the plan said.
        """
        if target.format is not None:
            raise UsageError("pictures are in the format that their job was submitted with")
        shared = _is_shared(parameters)
        folder = _output_dir(parameters) if shared or target.path is None else target.path
        file = None
        if _is_single(parameters) and folder is target.path and not folder.is_dir():
            folder, file = folder.parent, folder.name
        _make_folder(folder, shared=shared)
        pictures = bytes_written = cut = dropped = 0
        problems: list[str] = []
        for _, encoded in values:
            value = PictureValue.decode(encoded)
            name = file or value.output
            try:
                if value.data is not None:
                    write_whole(place_output(folder, name), value.data)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                line = f"{printable(str(folder / name))} was not written: {reason}"
                if isinstance(error, OSError) and error.errno in _HOPELESS:
                    raise OutputError(line) from error
                problems.append(line)
                continue
            pictures += 1
            bytes_written += value.bytes_out
            cut += value.frames_dropped > 0
            dropped += value.frames_dropped
        place = folder / file if file else folder
        counted = "1 picture" if pictures == 1 else f"{pictures:,} pictures"
        return Gathered(
            result={
                "pictures": pictures,
                "bytes": bytes_written,
                "output_dir": str(folder),
                "frames_dropped": dropped,
                **({"path": str(place)} if file else {}),
            },
            written=f"{counted} ({_show_bytes(bytes_written)}) to {printable(str(place))}"
            + _tell_dropped(dropped, cut),
            problems=tuple(problems),
        )


IMAGES = ImagesService()


def _output_dir(parameters: Parameters) -> Path:
    folder = parameters.get("output_dir")
    if not isinstance(folder, str) or not folder:
        raise ValueError("a job of pictures needs an output folder")
    return Path(folder)


def _is_shared(parameters: Parameters) -> bool:
    return parameters.get("shared") is True


def _is_single(parameters: Parameters) -> bool:
    return parameters.get("single") is True


def _make_folder(folder: Path, *, shared: bool) -> None:
    if shared:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {printable(str(folder))} cannot be made: {error.strerror}"
        ) from error


def _tell_dropped(frames: int, pictures: int) -> str:
    """Say how many frames or pages are lost, where any are."""
    if not frames:
        return ""
    lost = "1 frame was" if frames == 1 else f"{frames:,} frames were"
    whose = "1 picture" if pictures == 1 else f"{pictures:,} pictures"
    return f"; {lost} dropped, of {whose}: only the first is kept where the format holds one"


def _show_bytes(count: int) -> str:
    """Sizes for people, in decimal units as file managers show them."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
