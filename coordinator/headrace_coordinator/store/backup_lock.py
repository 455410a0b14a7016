"""How a backup, which is a process of its own, keeps payloads where they are while it copies them.

    backup: shared lock ─► snapshot of the database ─► payloads that it names ─► unlock
    coordinator: places that come free are used again only while nobody holds the lock

What a snapshot names was not yet free when the lock was taken, so it stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

#: No descriptor.
CLOSED = -1

#: What the lock's name has beyond the database's.
LOCK_SUFFIX = "-backup"


class BackupLock:
    """The coordinator's side. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._file = _open(path)

    def close(self) -> None:
        file, self._file = self._file, CLOSED
        if file != CLOSED:
            os.close(file)

    def is_held(self) -> bool:
        """Tell whether a backup is under way."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False


@contextlib.contextmanager
def hold(path: Path) -> Generator[None]:
    """Be a backup. Raises OSError."""
    file = _open(path)
    try:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield
    finally:
        os.close(file)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
