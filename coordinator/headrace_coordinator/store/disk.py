"""The data folder's disk: what is free there, and a reserve for when it is full.

    free   ▕ what comes in ▏ outcomes ▏ cancel, delete, acknowledge ▏ the same, from the reserve ▏
                     2 floors ┘        └ 1 floor                   └ 0

So the store itself never fills the disk to the last byte, and what makes room can be written while
the disk is full. Where something else fills it, the reserve, a file that was written beforehand, is
given up piece by piece. It is written again as soon as there is room.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from headrace_coordinator.store.files import DataFile
from headrace_wire.permissions import FULL_NUMBERS

#: A floor is what is left free on a disk for outcomes, and once more for what makes room: this
#: share of the disk, within these bounds.
FLOOR_SHARE = 1 / 32
LEAST_FLOOR_BYTES = 256 << 10
MOST_FLOOR_BYTES = 16 << 20

#: Bytes of the whole reserve, and of a piece of it: enough for a few small commits.
MOST_RESERVE_BYTES = 4 << 20
PIECE_BYTES = 128 << 10

#: What is added to the database's name for the reserve's.
RESERVE_SUFFIX = "-reserve"

#: SQLite's codes where room is lacking: FULL, and IOERR when a file cannot be written, enlarged or
#: mapped (https://sqlite.org/rescode.html).
FULL_CODE = 13
ROOM_CODES = frozenset({FULL_CODE, 778, 1546, 4874, 5386})


class Disk:
    """``reserve`` is where the reserve is kept. Called by one thread at a time."""

    def __init__(self, reserve: Path) -> None:
        self._reserve = DataFile(reserve)
        total = self.measure_total()
        #: Bytes of one floor.
        self.floor_bytes = int(min(max(total * FLOOR_SHARE, LEAST_FLOOR_BYTES), MOST_FLOOR_BYTES))
        self._wanted_bytes = min(self.floor_bytes, MOST_RESERVE_BYTES)
        self._kept_bytes = self._reserve.measure()

    def close(self) -> None:
        self._reserve.close()

    def measure_total(self) -> int:
        """Return the bytes of the whole disk. Raises OSError."""
        total, _ = self._reserve.measure_disk()
        return total

    def measure_free(self) -> int:
        """Return the bytes that may be written now. Raises OSError."""
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
        """Give up a piece of the reserve. Returns False when nothing is left of it."""
        if not self._kept_bytes:
            return False
        self._kept_bytes = max(0, self._kept_bytes - PIECE_BYTES)
        self._reserve.resize(self._kept_bytes)
        return True


def is_want_of_room(error: sqlite3.Error | OSError) -> bool:
    """Tell whether an error says that the disk is full."""
    if isinstance(error, OSError):
        return error.errno in FULL_NUMBERS
    return getattr(error, "sqlite_errorcode", 0) in ROOM_CODES
