"""Locks of a data folder. The system takes a lock away from a process that ends, however it ends.

Only one coordinator may use a folder at a time. A backup, which is a process of its own, keeps
payloads where they are while it copies them:

    backup: shared lock ─► snapshot of the database ─► payloads that it names ─► unlock
    coordinator: freed places are used again only while nobody holds the lock

What a snapshot names was not yet freed when the lock was taken, so it stays.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path

from headrace_coordinator.store.files import DataFile
from headrace_wire.errors import UsageError
from headrace_wire.permissions import WRITE, explain_error

#: The name of the coordinator's lock in the data folder.
LOCK_NAME = "lock"

#: What is added to the database's name for the lock of backups.
LOCK_SUFFIX = "-backup"

#: The file that marks a backup as unfinished.
INCOMPLETE = "incomplete-backup"

#: Seconds between a backup's attempts to lock; the coordinator has the lock for a moment at a time.
RETRY_SECONDS = 0.001


@contextlib.contextmanager
def lock_data(data: Path) -> Generator[None]:
    """Make the data folder if need be, and keep other coordinators off it. Raises UsageError."""
    if (data / INCOMPLETE).exists():
        raise UsageError(f"{data} holds a backup that was not finished: use another one")
    with contextlib.ExitStack() as stack:
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = stack.enter_context(contextlib.closing(open_lock(data / LOCK_NAME)))
            is_ours = lock.acquire()
        except OSError as error:
            raise UsageError(
                f"cannot use data folder {data}: {explain_error(error, data, WRITE)}; or name "
                "another with --data"
            ) from None
        if not is_ours:
            raise UsageError(
                f"another coordinator uses data folder {data}: stop that one, or name another "
                "folder with --data"
            )
        yield


@contextlib.contextmanager
def hold_payloads(path: Path) -> Generator[None]:
    """Hold the lock as a backup, of which there may be several at a time. Raises OSError."""
    with contextlib.closing(open_lock(path)) as lock:
        while not lock.acquire(shared=True):
            time.sleep(RETRY_SECONDS)
        yield


def open_lock(path: Path) -> FileLock:
    """Make a lock on a file, which is made if it is missing. Raises OSError."""
    try:
        return FileLock(path)
    except ImportError:
        return _SqliteLock(path)


class FileLock:
    """A lock that one process has alone, or that several share. Methods raise OSError."""

    def __init__(self, path: Path) -> None:
        import fcntl  # noqa: PLC0415 - Windows has none

        self._fcntl = fcntl
        self._file = DataFile(path)

    def close(self) -> None:
        self._file.close()

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
        DataFile(path).close()
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
