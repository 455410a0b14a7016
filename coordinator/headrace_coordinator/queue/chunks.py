"""Which inputs of a job were put together, and how many bytes they have."""

from __future__ import annotations

from array import array
from bisect import bisect_right

from msgspec import Struct, field

#: How many chunks are removed together, because a removal moves all others.
FORGOTTEN_AT_ONCE = 4096


class Chunks(Struct):
    """Chunks in index order, as plain numbers, because a client that puts inputs one by one makes
    many.
    """

    starts: array[int] = field(default_factory=lambda: array("q"))
    stops: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))

    def append(self, start: int, stop: int, size_bytes: int) -> None:
        self.starts.append(start)
        self.stops.append(stop)
        self.sizes.append(size_bytes)

    def forget_before(self, index: int) -> None:
        """Remove chunks whose tasks all come before ``index``, if there are many of them."""
        gone = bisect_right(self.stops, index)
        if gone >= FORGOTTEN_AT_ONCE:
            del self.starts[:gone], self.stops[:gone], self.sizes[:gone]

    def touching(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Return the chunks, as (start, stop, bytes), that contain inputs of tasks [start,
        stop).
        """
        first = max(0, bisect_right(self.starts, start) - 1)
        found: list[tuple[int, int, int]] = []
        for place in range(first, len(self.starts)):
            if self.starts[place] >= stop:
                break
            if self.stops[place] > start:
                found.append((self.starts[place], self.stops[place], self.sizes[place]))
        return found

    def fit(self, start: int, stop: int, max_bytes: int) -> int:
        """Return the largest stop so that inputs from ``start`` on have at most ``max_bytes``.

        It includes at least one task. The bytes of a chunk are assumed to be the same for each
        task.
        """
        left = float(max_bytes)
        for chunk_start, chunk_stop, size in self.touching(start, stop):
            begin, end = max(start, chunk_start), min(stop, chunk_stop)
            each = size / (chunk_stop - chunk_start)
            if each * (end - begin) > left:
                return max(start + 1, begin + int(left / each))
            left -= each * (end - begin)
        return stop

    def measure_bytes(self, start: int, stop: int) -> int:
        """Return the approximate size of the inputs of tasks [start, stop), in bytes."""
        return sum(
            size * (min(right, stop) - max(left, start)) // (right - left)
            for left, right, size in self.touching(start, stop)
        )
