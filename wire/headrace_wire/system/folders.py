"""The current folder, which may have been removed since the process entered it, and folders in
which nobody may write.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from headrace_wire.system.portable import PORTABLE

#: Why a path was not found, and what to do about it.
NO_PRESENT_FOLDER = "the present folder was removed: go to another one, or give an absolute path"


def find_present_folder() -> str | None:
    """Return the current folder; None if it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - it may not be valid text
    except FileNotFoundError:
        return None


def is_lost(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is relative to a current folder that was removed."""
    return not os.path.isabs(path) and find_present_folder() is None  # noqa: PTH117 - as given


def is_read_only(place: Path) -> bool:
    """Return whether a place is on a file system that is mounted read-only, if the system tells."""
    if sys.platform == "win32" or PORTABLE:
        return False
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
