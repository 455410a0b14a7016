"""Where pictures are written: into a folder, or a single picture into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.images.formats import SUFFIXES, TITLES, format_of_name
from headrace_services.images.payload import printable
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def names_one_picture(inputs: Sequence[Path], output: Path) -> bool:
    """Return whether an output is the file for the one input rather than a folder.

    Raises UsageError if it names a picture although there may be several, and, for a single input,
    if its suffix is not that of a format.
    """
    if len(inputs) == 1 and not inputs[0].is_dir():
        return names_file(output)
    if format_of_name(output.name) is None or output.is_dir():
        return False
    raise UsageError(
        f"{printable(str(output))} is not a folder but the name of one picture, and there may be "
        "several: choose an output folder"
    )


def names_file(output: Path) -> bool:
    """Return whether the output for a single picture is a file rather than a folder.

    It is a folder if it exists as one or its name has no suffix. Raises UsageError if the suffix
    is that of no format.
    """
    suffix = output.suffix
    if suffix in {"", "."} or output.is_dir():
        return False
    if format_of_name(output.name) is None:
        raise UsageError(
            f"{printable(str(output))} ends in {printable(suffix)}, which is no format of "
            f"pictures: name a file that ends in {', '.join(SUFFIXES)}, or a folder that exists or "
            "has no such ending"
        )
    return True


def choose_format(output: Path, file_format: str | None) -> str | None:
    """Return the format of a single picture's file. Raises UsageError if its name means another."""
    promised = format_of_name(output.name)
    if promised and file_format and promised != file_format:
        raise UsageError(
            f"{printable(str(output))} is the name of a {TITLES[promised]} picture, and the format "
            f"asked for is {TITLES[file_format]}: change one of them"
        )
    return file_format or promised
