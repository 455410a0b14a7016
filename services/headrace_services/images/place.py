"""Where pictures go: into a folder, or one picture into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.images.formats import TITLES, format_of_name
from headrace_services.images.payload import printable
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def names_one_picture(inputs: Sequence[Path], output: Path) -> bool:
    """Tell whether an output is the file for the one input rather than a folder.

    It is where its name is that of a picture. Raises UsageError where there may be several inputs.
    """
    if format_of_name(output.name) is None or output.is_dir():
        return False
    if len(inputs) == 1 and not inputs[0].is_dir():
        return True
    raise UsageError(
        f"{printable(str(output))} is not a folder but the name of one picture, and there may be "
        "several: choose an output folder"
    )


def choose_format(output: Path, file_format: str | None) -> str | None:
    """The format of the file for one picture. Raises UsageError where its name says another."""
    promised = format_of_name(output.name)
    if promised and file_format and promised != file_format:
        raise UsageError(
            f"{printable(str(output))} is the name of a {TITLES[promised]} picture, and the format "
            f"asked for is {TITLES[file_format]}: change one of them"
        )
    return file_format or promised
