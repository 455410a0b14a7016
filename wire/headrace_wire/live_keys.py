"""The keys that a running coordinator accepts, which are read again when their files change."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from headrace_wire.errors import KeyRefusedError
from headrace_wire.key import load_key
from headrace_wire.key_book import find_book, list_keys, read_book
from headrace_wire.keyring import Keys, mark_key
from headrace_wire.role_files import write_role_files
from headrace_wire.session import audit

log = logging.getLogger(__name__)

#: Changes when a file is replaced or changed; None if there is no file.
Stamp = tuple[int, int, int] | None


class LiveKeys:
    """The keys beside the coordinator's own at ``path``. Raises KeyRefusedError.

    The key of each role is also written to ``role_folder``, in a folder of its name.
    ``on_key(key)`` is called with the coordinator's own key whenever keys have been read.
    """

    def __init__(
        self,
        path: Path,
        role_folder: Path | None = None,
        on_key: Callable[[bytes], None] | None = None,
    ) -> None:
        self._path = path
        self._role_folder = role_folder
        self._on_key = on_key
        self._own = b""
        self._stamps = self._read_stamps()
        self._problem = ""
        self._keys = self._load()

    def find(self) -> Keys:
        """Return the keys that are valid now; the same object as long as nothing has changed."""
        stamps = self._read_stamps()
        if stamps != self._stamps:
            self._stamps = stamps
            before, self._problem = self._problem, ""
            try:
                self._keys = self._load()
            except KeyRefusedError as error:
                self._problem = error.message
            if self._problem not in ("", before):
                log.error("%s; the keys stay as they were", self._problem)
        return self._keys

    def find_own(self) -> bytes:
        """Return the coordinator's own key, as last read."""
        return self._own

    def _load(self) -> Keys:
        key, book = load_key(self._path), read_book(self._path)
        keys = list_keys(key, book)
        before = [one for one in (self._own, book.previous.encode()) if one]
        write_role_files(self._path, key, self._role_folder, before)
        if self._own not in (b"", key) and mark_key(self._own) not in book.rotated:
            for one in (log, audit):
                one.warning("%s was replaced, not by `headrace keys rotate`", self._path)
        self._own = key
        if self._on_key:
            self._on_key(key)
        return keys

    def _read_stamps(self) -> tuple[Stamp, Stamp]:
        return _read_stamp(self._path), _read_stamp(find_book(self._path))


def _read_stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
