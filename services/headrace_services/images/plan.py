"""Plans a job on the client: its files, their output names, and their bytes during the upload."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from msgspec import Struct

from headrace_services.beneath_paths import check_regular
from headrace_services.images.formats import (
    SNIFF_BYTES,
    SUFFIXES,
    format_of_name,
    parse_format,
    rename_for_format,
    sniff_format,
)
from headrace_services.images.options import (
    DEFAULT_MAX_MEGAPIXELS,
    DEFAULT_RADIUS,
    DEFAULT_SIZE,
    Options,
    parse_size,
)
from headrace_services.images.payload import MAX_CARRIED_BYTES, PictureInput, printable
from headrace_services.images.place import choose_format, names_one_picture
from headrace_services.service import Outputs, Plan
from headrace_wire.errors import UsageError
from headrace_wire.permissions import WRITE, explain_denied, explain_error, may_use
from headrace_wire.system.folders import NO_PRESENT_FOLDER, is_lost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Picture(Struct, frozen=True):
    """A file to process: its path, and its name under the output folder."""

    path: Path
    output: str


class PictureInputs(Struct, frozen=True):
    """The encoded inputs in index order. Each file is only read when it is needed.

    A file that cannot be read becomes an input that says so, and only its own task fails.
    """

    pictures: Sequence[Picture]
    shared: bool

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[bytes]:
        for picture in self.pictures:
            yield self._read(picture).encode()

    def _read(self, picture: Picture) -> PictureInput:
        source = str(picture.path)
        if self.shared:
            return PictureInput(source, picture.output, "path", str(_make_absolute(picture.path)))
        try:
            check_regular(picture.path.stat())  # to open a FIFO would take for ever
            with picture.path.open("rb") as file:
                data = file.read(MAX_CARRIED_BYTES + 1)
        except OSError as error:
            problem = f"cannot be read: {_explain_unread(error, picture.path)}"
            return PictureInput(source, picture.output, "problem", problem)
        if len(data) > MAX_CARRIED_BYTES:
            return PictureInput(source, picture.output, "problem", _too_large())
        return PictureInput(source, picture.output, "data", data)


def plan(
    operation: str,
    inputs: Sequence[Path],
    output: Path,
    *,
    recursive: bool = False,
    shared: bool = False,
    radius: float | None = None,
    size: str | None = None,
    file_format: str | None = None,
    quality: int | None = None,
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS,
    previews: bool = False,
) -> Plan:
    """Plan a job with one task per picture.

    ``inputs`` are files, which are used whatever their names, and folders, whose pictures are
    recognised by their suffixes: only those directly in the folder, or, with ``recursive``, also
    those in its sub-folders, which are kept under ``output``. Hidden files and folders, and links
    to folders, are left out; what cannot be read is a task that fails. ``output`` is a folder; for
    a single file, it may also be a file, whose suffix decides the format. ``radius`` in pixels is
    for blur, ``size`` (``N`` or ``WxH`` pixels) for thumbnail, ``file_format`` is one of
    ``FORMATS``, and ``quality`` is 1 to 100. With ``shared``, only paths are sent. With
    ``previews``, the coordinator's page shows the first pictures, before and after. Raises
    UsageError, with a message of one line, for any problem that can be known before the job starts.
    """
    if radius is not None and operation != "blur":
        raise UsageError(f"radius is for blur only, not for {operation}")
    if size is not None and operation != "thumbnail":
        raise UsageError(f"size is for thumbnail only, not for {operation}")
    single = names_one_picture(inputs, output)
    if operation == "convert" and not single and file_format is None and quality is None:
        raise UsageError("convert needs a format (jpeg, png, webp, tiff or gif) or a quality")
    try:
        options = Options(
            operation,
            DEFAULT_RADIUS if radius is None else radius,
            DEFAULT_SIZE if size is None else parse_size(size),
            _choose_format(output if single else None, file_format),
            quality,
            max_megapixels,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    output_dir = output.parent if single else output
    for path in (*inputs, output_dir):
        if is_lost(path):
            raise UsageError(f"{_show(path)} cannot be found: {NO_PRESENT_FOLDER}")
    pictures = [
        Picture(path, output.name if single else _output_name(path, relative, options.file_format))
        for path, relative in _select(inputs, output_dir, recursive=recursive)
    ]
    _refuse_collisions(pictures)
    _refuse_overwriting(pictures, output_dir)
    _refuse_unwritable(output_dir)
    if not shared:
        _refuse_large(pictures)
    parameters = {
        **options.to_parameters(),
        "output_dir": str(_make_absolute(output_dir) if shared else output_dir.absolute()),
        "shared": shared,
        "single": single,
        **({"previews": True} if previews else {}),
    }
    return Plan(
        operation,
        parameters,
        len(pictures),
        PictureInputs(pictures, shared),
        outputs=Outputs(
            output_dir.absolute(), [picture.output for picture in pictures], single=single
        ),
    )


def _explain_unread(error: OSError, path: Path) -> str:
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"it is a link to {printable(os.path.realpath(path))}, which does not exist"
    return explain_error(error, path)


def _make_absolute(path: Path) -> Path:
    """Return a path as workers look for it beneath their roots, which must not contain ``..``."""
    return path.resolve() if ".." in path.parts else path.absolute()


def _choose_format(file: Path | None, word: str | None) -> str | None:
    wanted = None if word is None else parse_format(word)
    return wanted if file is None else choose_format(file, wanted)


def _select(
    inputs: Sequence[Path], output_dir: Path, *, recursive: bool
) -> Iterator[tuple[Path, PurePosixPath]]:
    """Yield each file with its name relative to the input that it belongs to, in a stable order."""
    if not inputs:
        raise UsageError("no input: give pictures, or folders of pictures")
    for given in inputs:
        if given.is_dir():
            if recursive and output_dir.resolve().is_relative_to(given.resolve()):
                raise UsageError(
                    f"{_show(output_dir)} lies inside {_show(given)}, and with --recursive the "
                    "output would be input next time: choose an output folder outside it"
                )
            found = sorted(_walk(given) if recursive else _list(given))
            if not found:
                hint = "" if recursive else " (--recursive looks in its sub-folders too)"
                raise UsageError(f"{_show(given)} has no pictures in it{hint}")
            for path in found:
                yield path, PurePosixPath(path.relative_to(given).as_posix())
        elif given.is_file():
            yield given, PurePosixPath(given.name)
        elif given.exists():
            raise UsageError(f"{_show(given)} is neither a file nor a folder")
        else:
            raise UsageError(f"{_show(given)} does not exist")


def _list(folder: Path) -> Iterator[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise UsageError(
            f"{_show(folder)} cannot be listed: {explain_error(error, folder)}"
        ) from error
    yield from (entry for entry in entries if _is_picture(entry))


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UsageError(
            f"{error.filename} cannot be listed: {explain_error(error, error.filename)}"
        ) from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (path for name in files if _is_picture(path := Path(parent, name)))


def _is_picture(path: Path) -> bool:
    """Return whether something in a folder has the name of a picture, and is not a folder itself.

    If it cannot be read, as a link that leads nowhere, its task will say so.
    """
    if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
        return False
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except PermissionError as error:
        raise UsageError(f"{_show(path)} cannot be read: {explain_error(error, path)}") from error
    except OSError:
        return True


def _output_name(path: Path, relative: PurePosixPath, file_format: str | None) -> str:
    name = str(relative)
    if file_format is None:
        file_format = format_of_name(name) or _sniff(path)
    # If neither its suffix nor its first bytes are known, it is not a picture: its task will say
    # so.
    return name if file_format is None else rename_for_format(name, file_format)


def _sniff(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return sniff_format(file.read(SNIFF_BYTES))
    except OSError:
        # The same error will occur when the whole file is read, and then its task reports it.
        return None


def _refuse_collisions(pictures: Iterable[Picture]) -> None:
    taken: dict[str, Path] = {}
    for picture in pictures:
        other = taken.setdefault(picture.output, picture.path)
        if other is not picture.path:
            raise UsageError(
                f"{_show(other)} and {_show(picture.path)} would both be written as "
                f"{printable(picture.output)}: run them apart, or rename one"
            )


def _refuse_overwriting(pictures: Iterable[Picture], output_dir: Path) -> None:
    folder = output_dir.resolve()
    if not folder.exists():
        return
    # Unlike Path.resolve in Python 3.12, this accepts links that lead to each other.
    sources = {os.path.realpath(picture.path) for picture in pictures}
    for picture in pictures:
        if os.path.realpath(folder / picture.output) in sources:
            raise UsageError(
                f"{_show(picture.path)} would be overwritten by an output in {_show(output_dir)}: "
                "choose another output folder"
            )


def _refuse_unwritable(output_dir: Path) -> None:
    nearest = output_dir.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(f"{_show(nearest)} is not a folder: choose another output folder")
    if not may_use(nearest, os.W_OK | os.X_OK):
        why = explain_denied(nearest, WRITE)
        raise UsageError(
            f"{_show(nearest)} is not writable: choose another output folder"
            + (f" ({why})" if why else "")
        )


def _refuse_large(pictures: Iterable[Picture]) -> None:
    for picture in pictures:
        try:
            size_bytes = picture.path.stat().st_size
        except OSError:
            # It has just vanished. This will be noticed when it is read, and only its own task
            # fails.
            continue
        if size_bytes > MAX_CARRIED_BYTES:
            raise UsageError(f"{_show(picture.path)} {_too_large()}")


def _too_large() -> str:
    return f"is over {MAX_CARRIED_BYTES >> 20} MiB, too large for the queue: use --shared"


def _show(path: Path) -> str:
    return printable(str(path))
