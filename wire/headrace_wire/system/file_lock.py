"""Locks of files and folders. The system releases the lock of a process that ends, for any
reason.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from headrace_wire.system.open_flags import BINARY
from headrace_wire.system.portable import PORTABLE

#: Seconds between attempts while waiting for a lock.
RETRY_SECONDS = 0.001


def _load_fcntl() -> Any:
    if PORTABLE:
        return None
    try:
        return importlib.import_module("fcntl")
    except ImportError:  # Windows has none
        return None


#: The standard library's ``fcntl``, which can lock; None if the system has none.
_FCNTL: Any = _load_fcntl()

#: Whether an open file can be locked; elsewhere SQLite locks a file of its own.
LOCKS_OPEN_FILES = _FCNTL is not None

#: The name of the file in a folder that is locked if folders cannot be.
_NAME_IN_FOLDER = ".lock"


def open_lock(path: Path) -> FileLock:
    """Make a lock on a folder, or on a file, which is made if it is missing. Raises OSError."""
    return FileLock(path) if LOCKS_OPEN_FILES else _SqliteLock(path)


def try_lock(file: int) -> bool:
    """Lock an open file for as long as it is open. Returns False if somebody else has locked it.

    Only available if ``LOCKS_OPEN_FILES``. Raises OSError.
    """
    try:
        _FCNTL.flock(file, _FCNTL.LOCK_EX | _FCNTL.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def hold(path: Path, *, shared: bool = False) -> Generator[None]:
    """Hold a lock, and wait for it if necessary. Raises OSError."""
    with contextlib.closing(open_lock(path)) as lock:
        while not lock.acquire(shared=shared):
            time.sleep(RETRY_SECONDS)
        yield


class FileLock:
    """A lock that one process has alone, or that several share. Methods raise OSError."""

    def __init__(self, path: Path) -> None:
        self._file = _open(path)

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def acquire(self, *, shared: bool = False) -> bool:
        """Lock without waiting. Returns False if somebody else has the lock."""
        kind = _FCNTL.LOCK_SH if shared else _FCNTL.LOCK_EX
        try:
            _FCNTL.flock(self._file, kind | _FCNTL.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        _FCNTL.flock(self._file, _FCNTL.LOCK_UN)

    def is_held(self) -> bool:
        """Return whether somebody else has the lock."""
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
        import sqlite3  # noqa: PLC0415 - only where it is needed

        self._connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False
        )

    def close(self) -> None:
        self._connection.close()

    def acquire(self, *, shared: bool = False) -> bool:
        import sqlite3  # noqa: PLC0415 - only where it is needed

        try:
            self._connection.execute("BEGIN" if shared else "BEGIN EXCLUSIVE")
            if shared:  # a transaction locks nothing before it reads something
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
    # Folders can be locked if they can be opened, which is not so on Windows; it has no fcntl
    # either.
    if path.is_dir():
        return os.open(path, os.O_RDONLY)
    return os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o600)
