"""Writes the pictures of a job on the client, where the user wants them and nowhere else.

values ─► names: the plan's, or the values' own if the job was submitted elsewhere
          └─► OutputFolder: beneath one folder, through no link ─► the report to the user
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.images.formats import format_of_name
from headrace_services.images.output import OutputFolder, check_foreign_name
from headrace_services.images.payload import PictureValue, printable
from headrace_services.images.place import names_file
from headrace_services.service import Gathered, Parameters, Target
from headrace_wire.errors import OutputError, UsageError
from headrace_wire.open_files import explain_system_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Errors after which it is useless to try the other pictures.
_HOPELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})

#: The maximum number of pictures that could not be written and are listed individually.
MOST_PROBLEMS = 100


def gather_pictures(
    parameters: Parameters, values: Iterator[tuple[int, bytes]], target: Target
) -> Gathered:
    """Write pictures as they come. Raises OutputError, and UsageError if it is unknown where."""
    if is_shared(parameters):
        return _count_shared(find_output_dir(parameters), values, target)
    place = _find_place(parameters, target)
    tally, problems = _Tally(), _Problems()
    with _open_folder(place.folder, target) as output:
        for index, encoded in values:
            value = PictureValue.decode(encoded)
            name = value.output
            try:
                name = place.name(index, value)
                output.write(name, _take_picture(value))
            except (OSError, ValueError) as error:
                line = f"{printable(str(place.folder / name))} was not written: {_explain(error)}"
                if isinstance(error, OSError) and error.errno in _HOPELESS:
                    raise OutputError(line) from error
                problems.add(line)
                continue
            tally.add(value)
    return tally.tell(place.folder, place.file, problems.list())


def find_output_dir(parameters: Parameters) -> Path:
    """Return the folder that a plan names. Raises ValueError."""
    folder = parameters.get("output_dir")
    if not isinstance(folder, str) or not folder:
        raise ValueError("a job of pictures needs an output folder")
    return Path(folder)


def is_shared(parameters: Parameters) -> bool:
    """Return whether workers write the pictures."""
    return parameters.get("shared") is True


class _Place(Struct, frozen=True):
    """A folder, and the names beneath it; None if the names in the values have to be used.

    ``file`` is the name of the single picture, if the user has named a file.
    """

    folder: Path
    names: Sequence[str] | None = None
    file: str | None = None

    def name(self, index: int, value: PictureValue) -> str:
        """Return the name of a task's picture. Raises ValueError."""
        if self.names is None:
            return check_foreign_name(value.output)
        if index >= len(self.names):
            raise ValueError("there is no such picture in the job's plan")
        return self.names[index]


def _find_place(parameters: Parameters, target: Target) -> _Place:
    path, outputs = target.path, target.outputs
    if path is None:
        if outputs is None:
            raise UsageError(
                "the job was not submitted from here: name the folder that its pictures go to (-o)"
            )
        return _Place(outputs.folder, outputs.names, outputs.names[0] if outputs.single else None)
    single = parameters.get("single") is True if outputs is None else outputs.single
    if single and names_file(path):
        _refuse_other_format(path, parameters)
        return _Place(path.parent, [path.name], path.name)
    return _Place(path, None if outputs is None else outputs.names)


def _refuse_other_format(path: Path, parameters: Parameters) -> None:
    """Raise UsageError if a picture is not in the format that the name of its file says."""
    file_format = parameters.get("format")
    if isinstance(file_format, str) and format_of_name(path.name) != file_format:
        raise UsageError(
            f"{printable(str(path))} is not the name of a {file_format} picture, which is what the "
            "job makes: choose another name"
        )


def _open_folder(folder: Path, target: Target) -> OutputFolder:
    try:
        return OutputFolder(folder, target.made, overwrite=target.overwrite)
    except OSError as error:
        raise OutputError(
            f"the folder {printable(str(folder))} cannot be made: {explain_system_error(error)}"
        ) from error


def _take_picture(value: PictureValue) -> bytes:
    if value.data is None:
        raise ValueError("there is no picture in the result")
    return value.data


def _explain(error: Exception) -> str:
    if isinstance(error, FileExistsError):
        return "another file is there already, which --overwrite would replace"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _count_shared(folder: Path, values: Iterator[tuple[int, bytes]], target: Target) -> Gathered:
    tally = _Tally()
    for index, encoded in values:
        tally.add(PictureValue.decode(encoded))
        if target.made is not None and target.outputs is not None:
            place = target.outputs.folder / target.outputs.names[index]
            with contextlib.suppress(OSError):  # it may only be on the workers' machines
                target.made.add(place, os.lstat(place))
    return tally.tell(folder, None, [])


class _Problems:
    """The pictures that could not be written.

    Only the first are listed by name, as a stranger may send any number of them.
    """

    def __init__(self) -> None:
        self._first: list[str] = []
        self._more = 0

    def add(self, line: str) -> None:
        if len(self._first) < MOST_PROBLEMS:
            self._first.append(line)
        else:
            self._more += 1

    def list(self) -> list[str]:
        more = [f"{self._more:,} more pictures were not written"] if self._more else []
        return [*self._first, *more]


class _Tally:
    """Counts what was written."""

    def __init__(self) -> None:
        self._pictures = self._bytes = self._cut = self._dropped = 0

    def add(self, value: PictureValue) -> None:
        self._pictures += 1
        self._bytes += value.bytes_out
        self._cut += value.frames_dropped > 0
        self._dropped += value.frames_dropped

    def tell(self, folder: Path, file: str | None, problems: list[str]) -> Gathered:
        place = folder / file if file else folder
        counted = "1 picture" if self._pictures == 1 else f"{self._pictures:,} pictures"
        return Gathered(
            result={
                "pictures": self._pictures,
                "bytes": self._bytes,
                "output_dir": str(folder),
                "frames_dropped": self._dropped,
                **({"path": str(place)} if file else {}),
            },
            written=f"{counted} ({_show_bytes(self._bytes)}) to {printable(str(place))}"
            + self._tell_dropped(),
            problems=tuple(problems),
        )

    def _tell_dropped(self) -> str:
        """Return a sentence about frames or pages that were lost; "" if there are none."""
        if not self._dropped:
            return ""
        lost = "1 frame was" if self._dropped == 1 else f"{self._dropped:,} frames were"
        whose = "1 picture" if self._cut == 1 else f"{self._cut:,} pictures"
        return f"; {lost} dropped, of {whose}: only the first is kept where the format holds one"


def _show_bytes(count: int) -> str:
    """Return a size as text, in decimal units as file managers show it."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
