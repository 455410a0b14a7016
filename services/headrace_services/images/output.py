"""The names that pictures are written under, and how a folder of them is filled."""

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

#: All but bytes that are not UTF-8, which a file's name may hold.
_TEXT = re.compile("[^\udc80-\udcff]+")


class OutputFolder:
    """A folder that pictures are written beneath, through no link.

    Only what was ``made`` here is replaced; with ``overwrite`` everything that is no folder.
    """

    def __init__(self, folder: Path, made: Made | None, *, overwrite: bool) -> None:
        """Raises OSError where the folder cannot be made or opened."""
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
        """Write a picture whole or not at all.

        Raises OSError, FileExistsError where another file is in its place.
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
    """The name of a picture as somebody else gave it, fit to be that of a file here.

    Raises ValueError for one that would lead out of its folder, and for what is not the name of a
    picture: nothing else is ever made of what came over the network.
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
