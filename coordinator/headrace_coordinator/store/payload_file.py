"""The payload file: large inputs and results, beside the database, in places that are reused.

SQLite writes a large value twice, page by page, and syncs it while the commit waits. Here it is one
write into a file that is mostly in memory already. The database's rows say which place belongs to
which payload: a place is allocated before the commit that names it, and free again after the commit
that deletes the row.

    put ─► a free place ─► row with its place and size ─► commit
    row deleted ─► commit ─► free ─► once no backup is in progress ─► a free place

One thread puts, reads and trims, so no place is reused while it is read in this process.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from msgspec import Struct

from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.store.files import DataFile
from headrace_wire.system.portable import PORTABLE
from headrace_wire.words import format_bytes

#: The suffix that is added to the database's name for the payload file.
PAYLOAD_SUFFIX = "-payloads"

#: Places begin and end at multiples of this many bytes.
UNIT_BYTES = 4096

#: How many bytes at the end of the file are kept for later, although they are not used.
SPARE_BYTES = 128 << 20

#: Flags of fallocate(2): the length of the file does not change, and its space is freed.
KEEP_SIZE, PUNCH_HOLE = 1, 2


class Payload(Struct, frozen=True):
    """Where a payload is: ``size`` bytes from ``place`` on."""

    place: int
    size: int

    @property
    def units(self) -> tuple[int, int]:
        return self.place // UNIT_BYTES, -(-(self.place + self.size) // UNIT_BYTES)


class PayloadFile:
    """The file. Methods raise OSError.

    While ``is_held`` returns True, no place is reused, because another process reads the file.
    """

    def __init__(self, path: Path, is_held: Callable[[], bool] = bool) -> None:
        self.path = path
        self._is_held = is_held
        #: Whether the file did not exist before.
        self.is_new = not path.exists()
        self._file = DataFile(path)
        self._used = RangeSet()
        #: Units that take no space on the disk.
        self._holes = RangeSet()
        #: Places that are free, but still in ``_used``.
        self._freed: list[Payload] = []
        self._size = self._file.measure()
        self._unsynced = False

    def close(self) -> None:
        self._file.close()

    def restore(self, payloads: Iterable[Payload]) -> None:
        """Mark these places as used, and all others as free. Raises ValueError if two overlap."""
        self._used = RangeSet()
        for payload in [*payloads, *self._freed]:
            first, last = payload.units
            if self._used.overlap(first, last):
                raise ValueError(f"two payloads are at {payload.place}")
            self._used.add(first, last)

    def put(self, content: bytes) -> Payload:
        """Write a payload into the first free place that is large enough."""
        units = -(-len(content) // UNIT_BYTES)
        self._reuse()
        first = self._used.find_gap(units)
        self._used.add(first, first + units)
        self._holes.remove(first, first + units)
        payload = Payload(first * UNIT_BYTES, len(content))
        self._unsynced = True
        self._file.write(payload.place, content)
        self._size = max(self._size, payload.place + len(content))
        return payload

    def free(self, payloads: Iterable[Payload]) -> None:
        """Mark these places as free. No committed row names them any more."""
        self._freed += payloads

    def read(self, payload: Payload) -> bytes:
        """Return a payload's content, which is shorter if the file ends before it."""
        return self._file.read(payload.place, payload.size)

    def sync(self) -> None:
        """Make sure that everything that was put survives a power cut."""
        if self._unsynced:
            self._file.sync()
            self._unsynced = False

    def measure_bytes(self) -> int:
        return self._size

    def describe_end(self) -> str:
        """Describe in which way a file is too short."""
        if self.is_new:
            return "is missing"
        return f"ends after {format_bytes(self._size)}" if self._size else "is empty"

    def trim(self, spare_bytes: int = SPARE_BYTES) -> None:
        """Return free space to the disk, except for some that is kept for later."""
        self._reuse()
        used = self._used.end()
        end = max(used, min(spare_bytes, SPARE_BYTES) // UNIT_BYTES) * UNIT_BYTES
        if end < self._size:
            self._file.resize(end)
            self._size = end
            self._holes.remove(used, max(used, self._holes.end()))
        if (used - self._used.count - self._holes.count) * UNIT_BYTES > spare_bytes:
            for first, last in self._used.missing(0, used):
                for left, right in self._holes.missing(first, last):
                    _punch(self._file, left * UNIT_BYTES, (right - left) * UNIT_BYTES)
            self._holes = RangeSet(self._used.missing(0, used))

    def _reuse(self) -> None:
        if self._freed and not self._is_held():
            freed, self._freed = self._freed, []
            for payload in freed:
                self._used.remove(*payload.units)


def _punch(file: DataFile, place: int, size: int) -> None:
    """Free the space of a part of a file, if the file system can do that."""
    allocate = _find_allocate()
    if allocate is not None:  # the result does not matter, as the place is reused anyway
        allocate(file.fileno(), KEEP_SIZE | PUNCH_HOLE, ctypes.c_int64(place), ctypes.c_int64(size))


@cache
def _find_allocate() -> Callable[..., int] | None:
    if sys.platform != "linux" or PORTABLE:
        return None
    library = ctypes.CDLL(None, use_errno=True)
    return getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
