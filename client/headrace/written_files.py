"""The files that were written here, so that a later run may replace these and no others.

A file that somebody has changed since then has another time or size, and does not count any more.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Self

from headrace.state_files import StateFiles

_FOLDERS = StateFiles("made")


class WrittenFiles:
    """The written files, by folder. Additions are stored when this is closed."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, list[int]]] = {}
        self._added: defaultdict[str, dict[str, list[int]]] = defaultdict(dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder, files in self._added.items():
            there = {name: kept for name, kept in _read(folder).items() if _exists(folder, name)}
            # If this fails, the user must give --overwrite next time.
            with contextlib.suppress(OSError):
                _FOLDERS.write(folder, {**there, **files})
        self._added.clear()

    def is_ours(self, place: Path, found: os.stat_result) -> bool:
        """Return whether an existing file was made here and has not been changed since."""
        folder, name = _split(place)
        if folder not in self._known:
            self._known[folder] = _read(folder)
        kept = self._added[folder].get(name) or self._known[folder].get(name)
        return kept == _describe(found)

    def add(self, place: Path, written: os.stat_result) -> None:
        """Note a file that was written."""
        folder, name = _split(place)
        self._added[folder][name] = _describe(written)


def _describe(found: os.stat_result) -> list[int]:
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _split(place: Path) -> tuple[str, str]:
    return os.path.realpath(place.parent), place.name


def _exists(folder: str, name: str) -> bool:
    return os.path.lexists(os.path.join(folder, name))  # noqa: PTH118 - as it is stored


def _read(folder: str) -> dict[str, list[int]]:
    return _FOLDERS.read(folder, dict[str, list[int]]) or {}
