"""Checks whether results can be written to a place, before the job starts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from headrace_wire.open_files import explain_system_error
from headrace_wire.permissions import WRITE, explain_denied, explain_error


def explain_unwritable_file(path: Path) -> str:
    """Return why a file cannot be written there; "" if it can."""
    place = Path(os.path.realpath(path))
    if why := _try_name(place):
        return why
    if place.is_dir():
        return "it is a folder"
    if not place.parent.is_dir():
        return f"there is no folder {place.parent}"
    if place.exists() and not place.is_file():  # such as /dev/null or a pipe
        return "" if os.access(place, os.W_OK) else explain_denied(place, WRITE)
    return _try_folder(place.parent)


def explain_unwritable_folder(path: Path) -> str:
    """Return why files cannot be written below it; "" if they can. It need not exist yet."""
    nearest = path.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    return _try_folder(nearest) if nearest.is_dir() else f"{nearest} is not a folder"


def _try_name(place: Path) -> str:
    try:
        os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:  # such as a name that is too long
        return _lower(explain_error(error, place, WRITE))
    return ""


def _try_folder(folder: Path) -> str:
    """Write a temporary file there, because results are first written to one beside their place."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        # The system's message is about the temporary file, and not about one that may exist.
        why = explain_system_error(error)
        return explain_denied(folder, WRITE) or f"no file can be made in {folder} ({_lower(why)})"


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
