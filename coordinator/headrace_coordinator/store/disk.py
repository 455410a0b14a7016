"""The data folder's disk: its free space, and a reserve for when it is full.

    free   ▕ new work      ▏ outcomes ▏ cancel, delete, acknowledge ▏ the same, from the reserve ▏
                     2 floors ┘        └ 1 floor                   └ 0

So the store itself never fills the disk completely, and changes that free space can be written
while the disk is full. If something else fills it, the reserve, a file that was written beforehand,
is released piece by piece. It is written again as soon as there is space.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from headrace_coordinator.store.files import DataFile
from headrace_wire.open_files import explain_limit, is_limit_reached, says_limit_reached
from headrace_wire.permissions import FULL_NUMBERS

#: A floor is the space that is left free on a disk for outcomes, and once more for changes that
#: free space: this fraction of the disk, within these limits.
FLOOR_SHARE = 1 / 32
LEAST_FLOOR_BYTES = 256 << 10
MOST_FLOOR_BYTES = 16 << 20

#: The size of the whole reserve, and of a piece of it, in bytes: enough for a few small commits.
MOST_RESERVE_BYTES = 4 << 20
PIECE_BYTES = 128 << 10

#: The suffix that is added to the database's name for the reserve.
RESERVE_SUFFIX = "-reserve"

#: SQLite's codes for a lack of space: FULL, and IOERR if a file cannot be written, enlarged or
#: mapped (https://sqlite.org/rescode.html).
FULL_CODE = 13
ROOM_CODES = frozenset({FULL_CODE, 778, 1546, 4874, 5386})


class Disk:
    """``reserve`` is the path of the reserve. Only one thread at a time may call the methods."""

    def __init__(self, reserve: Path) -> None:
        self._reserve = DataFile(reserve)
        total = self.measure_total()
        #: The size of one floor in bytes.
        self.floor_bytes = int(min(max(total * FLOOR_SHARE, LEAST_FLOOR_BYTES), MOST_FLOOR_BYTES))
        self._wanted_bytes = min(self.floor_bytes, MOST_RESERVE_BYTES)
        self._kept_bytes = self._reserve.measure()

    def close(self) -> None:
        self._reserve.close()

    def measure_total(self) -> int:
        """Return the size of the whole disk in bytes. Raises OSError."""
        total, _ = self._reserve.measure_disk()
        return total

    def measure_free(self) -> int:
        """Return how many bytes may be written now. Raises OSError."""
        _, free = self._reserve.measure_disk()
        return free

    def fill(self) -> None:
        """Enlarge the reserve to its full size, if that leaves a floor free. Raises OSError."""
        missing = self._wanted_bytes - self._kept_bytes
        if missing > 0 and self.measure_free() >= missing + self.floor_bytes:
            try:
                self._reserve.extend(self._wanted_bytes)
            except OSError:
                self._reserve.resize(self._kept_bytes)
                raise
            self._kept_bytes = self._wanted_bytes

    def release_piece(self) -> bool:
        """Release a piece of the reserve. Returns False if nothing is left of it."""
        if not self._kept_bytes:
            return False
        self._kept_bytes = max(0, self._kept_bytes - PIECE_BYTES)
        self._reserve.resize(self._kept_bytes)
        return True


def explain_files(error: Exception) -> str:
    """Return the message for an error that is raised because this process can open no more files;
    "" for other errors. SQLite itself says only that it cannot open a file.
    """
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    is_it = says_limit_reached(error) or (code == sqlite3.SQLITE_CANTOPEN and is_limit_reached())
    return explain_limit() if is_it else ""


def explain_reading(store: Path, error: sqlite3.Error | OSError) -> str:
    """Describe why a store that is open cannot be read."""
    return f"the store {store} cannot be read: {explain_files(error) or error}"


def is_want_of_room(error: sqlite3.Error | OSError) -> bool:
    """Return whether an error says that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in FULL_NUMBERS
    return getattr(error, "sqlite_errorcode", 0) in ROOM_CODES
