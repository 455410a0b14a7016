"""The payload file: large inputs and results, beside the database in places that are used again.

SQLite writes a large value twice, page by page, and syncs it while the commit waits; here it is one
write into a file that mostly is in memory already. The database's rows say which place is whose: a
place is taken before the commit that names it, and free again after the commit that forgets it.

    put ─► a free place ─► row with its place and size ─► commit
    row deleted ─► commit ─► free ─► once no reader that may know the row is left ─► a free place
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import cache
from pathlib import Path

from msgspec import Struct

from headrace_coordinator.queue.ranges import RangeSet

#: What the payload file's name has beyond the database's.
PAYLOAD_SUFFIX = "-payloads"

#: Places begin and end at multiples of this many bytes.
UNIT_BYTES = 4096

#: Bytes at the end of the file that are kept for use, though nothing is in them.
SPARE_BYTES = 128 << 20


#: What fallocate(2) is told: the file stays as long as it is, and what lies there is given back.
KEEP_SIZE, PUNCH_HOLE = 1, 2

#: No descriptor: reading or writing there is an OSError.
CLOSED = -1


class Payload(Struct, frozen=True):
    """Where a payload is: ``size`` bytes from ``place`` on."""

    place: int
    size: int

    @property
    def units(self) -> tuple[int, int]:
        return self.place // UNIT_BYTES, -(-(self.place + self.size) // UNIT_BYTES)


class PayloadFile:
    """Raises OSError where the disk refuses. ``put`` and ``free`` are one thread's at a time.

    While ``is_held`` says so, nothing that comes free is used again: another process reads it.
    """

    def __init__(self, path: Path, is_held: Callable[[], bool] = bool) -> None:
        self._is_held = is_held
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._used = RangeSet()
        #: Units that take no room on the disk.
        self._holes = RangeSet()
        self._freed: deque[tuple[int, Payload]] = deque()
        self._readers: dict[int, int] = {}
        self._moment = 0
        self._size = os.fstat(self._file).st_size
        self._unsynced = False

    def close(self) -> None:
        file, self._file = self._file, CLOSED
        if file != CLOSED:
            os.close(file)

    def restore(self, payloads: Iterable[Payload]) -> None:
        """Begin anew with these in use. Raises ValueError where two overlap."""
        with self._lock:
            self._used = RangeSet()
            for payload in [*payloads, *(freed for _, freed in self._freed)]:
                first, last = payload.units
                if self._used.overlap(first, last):
                    raise ValueError(f"two payloads are at {payload.place}")
                self._used.add(first, last)

    def put(self, content: bytes) -> Payload:
        """Write a payload into a free place, the first that is large enough."""
        units = -(-len(content) // UNIT_BYTES)
        with self._lock:
            self._reuse()
            first = self._used.find_gap(units)
            self._used.add(first, first + units)
            self._holes.remove(first, first + units)
        payload = Payload(first * UNIT_BYTES, len(content))
        self._unsynced = True
        written = 0
        with memoryview(content) as view:
            while written < len(content):
                written += os.pwrite(self._file, view[written:], payload.place + written)
        self._size = max(self._size, payload.place + len(content))
        return payload

    def free(self, payloads: Iterable[Payload]) -> None:
        """Use these places again, once no reader that began before now is left."""
        with self._lock:
            self._moment += 1
            self._freed += ((self._moment, payload) for payload in payloads)

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """What rows name that are read inside of this stays as it is until the end of it."""
        with self._lock:
            moment = self._moment
            self._readers[moment] = self._readers.get(moment, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._readers[moment] -= 1
                if not self._readers[moment]:
                    del self._readers[moment]

    def read(self, payload: Payload) -> bytes:
        """A payload's content; shorter where the file ends before it does."""
        return os.pread(self._file, payload.size, payload.place)

    def sync(self) -> None:
        """Let what was put survive a power cut."""
        if self._unsynced:
            os.fdatasync(self._file)
            self._unsynced = False

    def measure_bytes(self) -> int:
        return self._size

    def trim(self, spare_bytes: int = SPARE_BYTES) -> None:
        """Give the disk back what is free, but for some that is kept for use."""
        with self._lock:
            self._reuse()
            used = self._used.end()
            end = max(used, min(spare_bytes, SPARE_BYTES) // UNIT_BYTES) * UNIT_BYTES
            if end < self._size:
                os.ftruncate(self._file, end)
                self._size = end
                self._holes.remove(used, max(used, self._holes.end()))
            if (used - self._used.count - self._holes.count) * UNIT_BYTES > spare_bytes:
                for first, last in self._used.missing(0, used):
                    for left, right in self._holes.missing(first, last):
                        punch(self._file, left * UNIT_BYTES, (right - left) * UNIT_BYTES)
                self._holes = RangeSet(self._used.missing(0, used))

    def _reuse(self) -> None:
        if not self._freed or self._is_held():
            return
        oldest = min(self._readers, default=self._moment)
        while self._freed and self._freed[0][0] <= oldest:
            _, payload = self._freed.popleft()
            self._used.remove(*payload.units)


def punch(file: int, place: int, size: int) -> None:
    """Give the disk back what lies there in a file, where the file system can do that."""
    allocate = _find_allocate()
    if allocate is not None:  # what it answers changes nothing: the room is used again in any case
        allocate(file, KEEP_SIZE | PUNCH_HOLE, ctypes.c_int64(place), ctypes.c_int64(size))


@cache
def _find_allocate() -> Callable[..., int] | None:
    library = ctypes.CDLL(None, use_errno=True)
    return getattr(library, "fallocate64", None) or getattr(library, "fallocate", None)
