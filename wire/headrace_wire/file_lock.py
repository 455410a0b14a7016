"""Locks of files and folders. The system takes a lock away from a process that ends, however."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path

#: Seconds between attempts to lock, of who waits for it.
RETRY_SECONDS = 0.001

#: The name of the file beside the others of a folder, where a folder itself cannot be locked.
_NAME_IN_FOLDER = ".lock"


def open_lock(path: Path) -> FileLock:
    """Make a lock on a folder, or on a file, which is made if it is missing. Raises OSError."""
    try:
        return FileLock(path)
    except ImportError:
        return _SqliteLock(path)


@contextlib.contextmanager
def hold(path: Path, *, shared: bool = False) -> Generator[None]:
    """Hold a lock, waiting for it. Raises OSError."""
    with contextlib.closing(open_lock(path)) as lock:
        while not lock.acquire(shared=shared):
            time.sleep(RETRY_SECONDS)
        yield


class FileLock:
    """A lock that one process has alone, or that several share. Methods raise OSError."""

    def __init__(self, path: Path) -> None:
        import fcntl  # noqa: PLC0415 - Windows has none

        self._fcntl = fcntl
        self._file = _open(path)

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def acquire(self, *, shared: bool = False) -> bool:
        """Lock without waiting. Returns False when somebody else has the lock."""
        kind = self._fcntl.LOCK_SH if shared else self._fcntl.LOCK_EX
        try:
            self._fcntl.flock(self._file, kind | self._fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        self._fcntl.flock(self._file, self._fcntl.LOCK_UN)

    def is_held(self) -> bool:
        """Tell whether somebody else has the lock."""
        if not self.acquire():
            return True
        self.release()
        return False


class _SqliteLock(FileLock):
    """The lock of a transaction on an empty database: SQLite locks files on every system."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            path /= _NAME_IN_FOLDER
        os.close(_open(path))
        self._connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False
        )

    def close(self) -> None:
        self._connection.close()

    def acquire(self, *, shared: bool = False) -> bool:
        try:
            self._connection.execute("BEGIN" if shared else "BEGIN EXCLUSIVE")
            if shared:  # a transaction locks nothing before it has read something
                self._connection.execute("SELECT * FROM sqlite_master").fetchall()
        except sqlite3.OperationalError as error:
            self.release()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise OSError(str(error)) from None
            return False
        return True

    def release(self) -> None:
        self._connection.rollback()


def _open(path: Path) -> int:
    # Folders can be locked where they can be opened: not on Windows, which has no fcntl either.
    if path.is_dir():
        return os.open(path, os.O_RDONLY)
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
