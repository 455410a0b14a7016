"""Output files that appear whole or not at all: written aside in their folder, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path, PurePosixPath


def place_output(folder: Path, name: str) -> Path:
    """The path of an output under its folder.

    Raises ValueError for a name that would lead out of it: names may come from another machine.
    """
    relative = PurePosixPath(name)
    if not name or "\0" in name or relative.is_absolute() or ".." in relative.parts:
        raise ValueError("its name leads out of the output folder")
    if not relative.parts:
        raise ValueError("its name is empty")
    return folder / Path(*relative.parts)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, replacing what was there; folders are made.

    Raises OSError, and leaves nothing behind, where it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.parent / f".headrace-{secrets.token_hex(8)}.part"
    try:
        with aside.open("xb") as file:
            file.write(data)
        os.replace(aside, path)  # noqa: PTH105 -- Path.replace would say the same
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
