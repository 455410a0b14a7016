"""Sets of task indices as ranges, so that the cost of a job of 10^9 tasks depends on its gaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

#: The number of ranges in a block after blocks are split, and the maximum in one block.
BLOCK_RANGES = 512
MOST_RANGES = 2 * BLOCK_RANGES


class RangeSet:
    """A set of integers, stored as disjoint, sorted, half-open ranges that do not touch.

    Adding or removing a range takes two binary searches and the ranges that it touches. The ranges
    are in blocks, because each change to a single list of a million would move half of it.
    """

    __slots__ = ("_blocks", "_firsts", "count")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        starts: list[int] = []
        stops: list[int] = []
        # Sorted ranges are appended one after the other, so that many only take the time to sort
        # them.
        for start, stop in sorted(ranges):
            if stops and start <= stops[-1]:
                stops[-1] = max(stops[-1], stop)
            elif start < stop:
                starts.append(start)
                stops.append(stop)
        #: Starts and stops of ranges. No block is empty, unless it is the only one.
        self._blocks = [(starts, stops)]
        #: The first start in each block except the first.
        self._firsts: list[int] = []
        #: How many integers are in the set.
        self.count = sum(stops) - sum(starts)
        if len(starts) > MOST_RANGES:
            self._split(0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([pair for block in self._blocks for pair in zip(*block, strict=True)])

    def __bool__(self) -> bool:
        return bool(self._blocks[0][0])

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # a mutable set

    def __contains__(self, index: int) -> bool:
        starts, stops = self._find_block(index)
        place = bisect_right(starts, index) - 1
        return place >= 0 and index < stops[place]

    def covers(self, start: int, stop: int) -> bool:
        """Return whether all of [start, stop) is in the set."""
        starts, stops = self._find_block(start)
        place = bisect_right(starts, start) - 1
        return start >= stop or (place >= 0 and stop <= stops[place])

    def add(self, start: int, stop: int) -> None:
        if start < stop:
            block = self._join(start, stop)
            starts, stops = self._blocks[block]
            first, last = bisect_left(stops, start), bisect_right(starts, stop)
            if first < last:
                start, stop = min(start, starts[first]), max(stop, stops[last - 1])
            self._replace(block, first, last, [(start, stop)])

    def remove(self, start: int, stop: int) -> None:
        """Remove [start, stop) from the set. Integers that are not in it are ignored."""
        if start < stop:
            block = self._join(start, stop)
            starts, stops = self._blocks[block]
            first, last = bisect_right(stops, start), bisect_left(starts, stop)
            kept: list[tuple[int, int]] = []
            if first < last and starts[first] < start:
                kept.append((starts[first], start))
            if first < last and stop < stops[last - 1]:
                kept.append((stop, stops[last - 1]))
            self._replace(block, first, last, kept)

    def overlap(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of [start, stop) that are in the set, in order."""
        return list(self._walk(start, stop))

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Return the parts of [start, stop) that are not in the set, in order."""
        return list(self.walk_missing(start, stop))

    def walk_missing(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Iterate over what ``missing`` returns; the set must not change meanwhile."""
        for left, right in self._walk(start, stop):
            if start < left:
                yield start, left
            start = right
        if start < stop:
            yield start, stop

    def next_missing(self, index: int) -> int:
        """Return the smallest integer from ``index`` on that is not in the set."""
        starts, stops = self._find_block(index)
        place = bisect_right(starts, index) - 1
        return stops[place] if place >= 0 and index < stops[place] else index

    def next_range(self, index: int) -> tuple[int, int] | None:
        """Return the first range that ends after ``index``; None if there is none."""
        block = bisect_right(self._firsts, index)
        starts, stops = self._blocks[block]
        place = bisect_right(stops, index)
        if place == len(stops):
            if block + 1 == len(self._blocks):
                return None
            starts, stops = self._blocks[block + 1]
            place = 0
        return starts[place], stops[place]

    def count_ranges(self, start: int, stop: int) -> int:
        """Return the number of ranges that ``overlap`` would return."""
        if start >= stop:
            return 0
        first, last = bisect_right(self._firsts, start), bisect_left(self._firsts, stop)
        before = bisect_right(self._blocks[first][1], start)
        within = sum(len(starts) for starts, _ in self._blocks[first:last])
        return within + bisect_left(self._blocks[last][0], stop) - before

    def last_before(self, index: int) -> int | None:
        """Return the largest integer below ``index``; None if there is none."""
        starts, stops = self._find_block(index - 1)
        place = bisect_left(starts, index) - 1
        return min(stops[place], index) - 1 if place >= 0 else None

    def take_from(self, start: int, stop: int, most: int) -> list[tuple[int, int]]:
        """Return the first ``most`` integers of ``overlap``, or fewer."""
        found: list[tuple[int, int]] = []
        for left, right in self._walk(start, stop):
            found.append((left, min(right, left + most)))
            most -= found[-1][1] - left
            if not most:
                break
        return found

    def find_gap(self, length: int) -> int:
        """Return the smallest integer, from 0 on, that begins a gap of at least this length."""
        first = 0
        for start, stop in self:
            if start - first >= length:
                break
            first = stop
        return first

    def end(self) -> int:
        """Return the integer after the largest one; 0 for an empty set."""
        _, stops = self._blocks[-1]
        return stops[-1] if stops else 0

    def first(self) -> tuple[int, int]:
        """Return the first range. The set must not be empty."""
        starts, stops = self._blocks[0]
        return starts[0], stops[0]

    def _find_block(self, index: int) -> tuple[list[int], list[int]]:
        """Return the block of the last range that begins at or before an integer, if there is
        one.
        """
        return self._blocks[bisect_right(self._firsts, index) if self._firsts else 0]

    def _walk(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        if start >= stop:
            return
        for block in range(bisect_right(self._firsts, start), bisect_left(self._firsts, stop) + 1):
            starts, stops = self._blocks[block]
            for place in range(bisect_right(stops, start), bisect_left(starts, stop)):
                yield max(start, starts[place]), min(stop, stops[place])

    def _join(self, start: int, stop: int) -> int:
        """Join the blocks that a change to [start, stop) affects. Returns the index of the
        block.
        """
        if not self._firsts:
            return 0
        first, last = bisect_right(self._firsts, start), bisect_right(self._firsts, stop)
        if first < last:
            starts, stops = self._blocks[first]
            for more_starts, more_stops in self._blocks[first + 1 : last + 1]:
                starts += more_starts
                stops += more_stops
            del self._blocks[first + 1 : last + 1], self._firsts[first:last]
        return first

    def _replace(self, block: int, first: int, last: int, ranges: list[tuple[int, int]]) -> None:
        """Replace some ranges of a block, and keep the block neither empty nor too long."""
        starts, stops = self._blocks[block]
        self.count -= sum(stops[first:last]) - sum(starts[first:last])
        self.count += sum(stop - start for start, stop in ranges)
        starts[first:last] = [start for start, _ in ranges]
        stops[first:last] = [stop for _, stop in ranges]
        if len(starts) > MOST_RANGES:
            self._split(block)
        elif self._firsts and not starts:
            del self._blocks[block], self._firsts[max(0, block - 1)]
        elif block:
            self._firsts[block - 1] = starts[0]

    def _split(self, block: int) -> None:
        starts, stops = self._blocks[block]
        self._blocks[block : block + 1] = [
            (starts[place : place + BLOCK_RANGES], stops[place : place + BLOCK_RANGES])
            for place in range(0, len(starts), BLOCK_RANGES)
        ]
        self._firsts = [starts[0] for starts, _ in self._blocks[1:]]
