"""The names of the pictures that are written, and the folder that they are written to."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Self

from headrace_services.beneath import open_beneath
from headrace_services.images.formats import format_of_name
from headrace_wire.printing import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from headrace_services.service import Made

#: Everything except bytes that are not UTF-8, which may occur in the name of a file.
_TEXT = re.compile("[^\udc80-\udcff]+")


class OutputFolder:
    """A folder beneath which pictures are written, through no link.

    Only files that are in ``made`` are replaced; with ``overwrite``, all files, but no folders.
    """

    def __init__(self, folder: Path, made: Made | None, *, overwrite: bool) -> None:
        """Open the folder, which is made if necessary. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._beneath = open_beneath(folder)
        self._made, self._overwrite = made, overwrite

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._beneath.__exit__(kind, error, traceback)

    def write(self, name: str, data: bytes, *, overwrite: bool = False) -> None:
        """Write a picture completely or not at all.

        Raises OSError, and FileExistsError if another file has this name.
        """
        place = self._folder / name
        written = self._beneath.write(name, data, self._judge(place, overwrite=overwrite))
        if self._made is not None:
            self._made.add(place, written)

    def _judge(self, place: Path, *, overwrite: bool) -> Callable[[os.stat_result], bool]:
        def may_replace(found: os.stat_result) -> bool:
            if overwrite or self._overwrite:
                return True
            return self._made is not None and self._made.is_ours(place, found)

        return may_replace


def check_foreign_name(name: str) -> str:
    """Return a picture's name, which came from somebody else, in a form that can be used here.

    Raises ValueError for a name that would lead out of its folder and for one that is not the name
    of a picture, because data from the network must never become any other kind of file.
    """
    parts = name.split("/")
    if not name or "\0" in name or name.startswith("/") or ".." in parts:
        raise ValueError("its name leads out of the output folder")
    cleaned = _clean(name)
    if format_of_name(cleaned) is None:
        raise ValueError("its name is not that of a picture")
    return cleaned


def _clean(name: str) -> str:
    return _TEXT.sub(lambda found: clean_line(found[0]), name)
