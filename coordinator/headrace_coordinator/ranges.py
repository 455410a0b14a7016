"""Sets of task indices as ranges, so that a job of 10^9 tasks costs what its gaps cost."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """A set of integers, kept as disjoint, sorted, half-open ranges that don't touch.

    Adding or removing a range costs a binary search and the ranges it touches.
    """

    __slots__ = ("_starts", "_stops", "count")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        #: How many integers are in the set.
        self.count = 0
        # In order each one goes to the end, so that many of them cost no more than to be sorted.
        for start, stop in sorted(ranges):
            if self._stops and start <= self._stops[-1]:
                self._stops[-1] = max(self._stops[-1], stop)
            elif start < stop:
                self._starts.append(start)
                self._stops.append(stop)
        self.count = sum(self._stops) - sum(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._stops, strict=True)))

    def __len__(self) -> int:
        """How many ranges there are, not how many integers: see ``count``."""
        return len(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __repr__(self) -> str:
        return f"RangeSet({list(self)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RangeSet) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # a mutable set

    def __contains__(self, index: int) -> bool:
        place = bisect_right(self._starts, index) - 1
        return place >= 0 and index < self._stops[place]

    def covers(self, start: int, stop: int) -> bool:
        """Tell whether all of [start, stop) is in the set."""
        place = bisect_right(self._starts, start) - 1
        return start >= stop or (place >= 0 and stop <= self._stops[place])

    def add(self, start: int, stop: int) -> None:
        """Put [start, stop) into the set."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start = min(start, self._starts[first])
            stop = max(stop, self._stops[last - 1])
            self.count -= sum(self._stops[first:last]) - sum(self._starts[first:last])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]
        self.count += stop - start

    def remove(self, start: int, stop: int) -> None:
        """Take [start, stop) out of the set; what is not in it is passed over."""
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        if first >= last or start >= stop:
            return
        kept: list[tuple[int, int]] = []
        if self._starts[first] < start:
            kept.append((self._starts[first], start))
        if self._stops[last - 1] > stop:
            kept.append((stop, self._stops[last - 1]))
        self.count -= sum(self._stops[first:last]) - sum(self._starts[first:last])
        self.count += sum(right - left for left, right in kept)
        self._starts[first:last] = [left for left, _ in kept]
        self._stops[first:last] = [right for _, right in kept]

    def overlap(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of [start, stop) that are in the set, in order."""
        first = bisect_right(self._stops, start)
        last = bisect_left(self._starts, stop)
        return [
            (max(start, self._starts[place]), min(stop, self._stops[place]))
            for place in range(first, last)
        ]

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of [start, stop) that are not in the set, in order."""
        gaps: list[tuple[int, int]] = []
        for left, right in self.overlap(start, stop):
            if start < left:
                gaps.append((start, left))
            start = right
        if start < stop:
            gaps.append((start, stop))
        return gaps

    def next_missing(self, index: int) -> int:
        """The smallest integer from ``index`` on that is not in the set."""
        place = bisect_right(self._starts, index) - 1
        return self._stops[place] if place >= 0 and index < self._stops[place] else index

    def find_gap(self, length: int) -> int:
        """The smallest integer from 0 on that begins a gap of at least this many."""
        first = 0
        for start, stop in zip(self._starts, self._stops, strict=True):
            if start - first >= length:
                break
            first = stop
        return first

    def end(self) -> int:
        """The integer after the largest one; 0 for an empty set."""
        return self._stops[-1] if self._stops else 0

    def pop_first(self, most: int) -> tuple[int, int]:
        """Take up to ``most`` integers off the front, as one range. The set must not be empty."""
        start = self._starts[0]
        stop = min(self._stops[0], start + most)
        self.remove(start, stop)
        return start, stop

    def first(self) -> int:
        """The smallest integer. The set must not be empty."""
        return self._starts[0]
