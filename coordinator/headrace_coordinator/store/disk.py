"""The data folder's disk: what is free there, and a reserve for what must be written even so.

    free   ▕ what comes in ▏ outcomes ▏ cancel, delete, acknowledge ▏ the same, from the reserve ▏
                     2 floors ┘        └ 1 floor                   └ 0

So the store itself never fills the disk to the last byte, and what makes room can be written while
it is full. Where somebody else fills it, a file that was written beforehand is given up piece by
piece. It comes back as soon as there is room.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from headrace_coordinator.store.payload_file import CLOSED

#: The part of a disk that is left free for outcomes, and once more for what makes room; in bytes,
#: at least and at most.
FLOOR_SHARE = 1 / 32
LEAST_FLOOR_BYTES = 256 << 10
MOST_FLOOR_BYTES = 16 << 20

#: Bytes of the reserve at most, and of a piece of it: enough for a few small commits.
MOST_RESERVE_BYTES = 4 << 20
PIECE_BYTES = 128 << 10

#: What the reserve's name has beyond the database's.
RESERVE_SUFFIX = "-reserve"

#: SQLite's codes for want of room: FULL, and IOERR when a file cannot be written, enlarged, or
#: mapped (https://sqlite.org/rescode.html).
FULL_CODE = 13
ROOM_CODES = frozenset({FULL_CODE, 778, 1546, 4874, 5386})

#: The system's: no room, more than the user's share, a larger file than is allowed.
ROOM_NUMBERS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Disk:
    """``reserve`` is where the reserve is kept. Called by one thread at a time."""

    def __init__(self, reserve: Path) -> None:
        self._file = os.open(reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        figures = os.fstatvfs(self._file)
        total = figures.f_blocks * figures.f_frsize
        #: Bytes of one floor.
        self.floor_bytes = int(min(max(total * FLOOR_SHARE, LEAST_FLOOR_BYTES), MOST_FLOOR_BYTES))
        self._reserve_bytes = min(self.floor_bytes, MOST_RESERVE_BYTES)
        self._kept_bytes = os.fstat(self._file).st_size

    def close(self) -> None:
        file, self._file = self._file, CLOSED
        if file != CLOSED:
            os.close(file)

    def measure_free(self) -> int:
        """Bytes that may be written now. Raises OSError."""
        figures = os.fstatvfs(self._file)
        return figures.f_bavail * figures.f_frsize

    def fill(self) -> None:
        """Take room for the reserve, if that leaves a floor free. Raises OSError."""
        missing = self._reserve_bytes - self._kept_bytes
        if missing > 0 and self.measure_free() >= missing + self.floor_bytes:
            try:
                os.posix_fallocate(self._file, 0, self._reserve_bytes)
            except OSError:
                os.ftruncate(self._file, self._kept_bytes)
                raise
            self._kept_bytes = self._reserve_bytes

    def give(self) -> bool:
        """Give up a piece of the reserve. False: nothing is left of it."""
        if not self._kept_bytes:
            return False
        self._kept_bytes = max(0, self._kept_bytes - PIECE_BYTES)
        os.ftruncate(self._file, self._kept_bytes)
        return True


def is_want_of_room(error: sqlite3.Error | OSError) -> bool:
    """Tell whether an error says that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in ROOM_NUMBERS
    return getattr(error, "sqlite_errorcode", 0) in ROOM_CODES


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
