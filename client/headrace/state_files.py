"""What a client remembers from one run to the next: small files in the user's state folder.

Nobody else can write there, so the contents come from the same user's client.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TypeVar

from msgspec import convert

from headrace.data_folder import find_data_folder
from headrace_wire.system.secret_files import replace_file

T = TypeVar("T")

#: The folder in the user's state folder.
FOLDER = "client"

#: The maximum number of files of one kind. The oldest ones are removed.
MOST_KEPT = 1000


class StateFiles:
    """Remembers one value, which JSON must support, for each key of a kind."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def read(self, key: str, shape: type[T]) -> T | None:
        """Return the stored value; None if there is none, or if it has another shape."""
        try:
            return convert(json.loads(self._find(key).read_bytes()), shape)
        except (OSError, ValueError):
            return None

    def write(self, key: str, value: object) -> None:
        """Store a value. Raises OSError."""
        place = self._find(key)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(place, json.dumps(value).encode())
        self._forget_oldest(place.parent)

    def forget(self, key: str) -> None:
        """Delete the value."""
        with contextlib.suppress(OSError):  # it will be overwritten, or removed as the oldest
            self._find(key).unlink(missing_ok=True)

    def _find(self, key: str) -> Path:
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        return find_data_folder() / FOLDER / self._kind / name

    @staticmethod
    def _forget_oldest(folder: Path) -> None:
        with contextlib.suppress(OSError):  # another client may do the same
            entries = list(os.scandir(folder))
            if len(entries) > MOST_KEPT:
                entries.sort(key=lambda entry: entry.stat().st_mtime)
                for entry in entries[: len(entries) - MOST_KEPT]:
                    os.unlink(entry)  # noqa: PTH108 - an entry is no Path
