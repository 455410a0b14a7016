"""Spans of tasks that wait for another attempt, with the number of their attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headrace_coordinator.queue.ranges import RangeSet

#: A span of tasks and how often they were attempted: (start, stop, attempts).
AttemptedSpan = tuple[int, int, int]


class AttemptedSpans:
    """The span that was added last is taken first. ``count`` is the number of their tasks.

    Tasks are found by their index with a binary search, not by examining every span.
    """

    __slots__ = ("_spans", "_starts", "count")

    def __init__(self) -> None:
        #: Stop and attempts by start, in the order in which they were added.
        self._spans: dict[int, tuple[int, int]] = {}
        #: The starts again, as a set that can be searched.
        self._starts = RangeSet()
        self.count = 0

    def __iter__(self) -> Iterator[AttemptedSpan]:
        return iter([(start, stop, attempts) for start, (stop, attempts) in self._spans.items()])

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __repr__(self) -> str:
        return f"AttemptedSpans({list(self)})"

    def add(self, start: int, stop: int, attempts: int) -> None:
        """Add a span of tasks, none of which is here."""
        self._spans[start] = stop, attempts
        self._starts.add(start, start + 1)
        self.count += stop - start

    def take(self, find_cut: Callable[[int, int, int], int]) -> AttemptedSpan:
        """Remove and return the first part of a span, up to where ``find_cut`` says. There must be
        a span.
        """
        start, (stop, attempts) = self._spans.popitem()
        self._starts.remove(start, start + 1)
        self.count -= stop - start
        cut = find_cut(start, stop, attempts)
        if cut < stop:
            self.add(cut, stop, attempts)
        return start, cut, attempts

    def remove(self, start: int, stop: int, attempts: int | None = None) -> list[tuple[int, int]]:
        """Remove tasks [start, stop), or only those with this many attempts. Returns them."""
        taken: list[tuple[int, int]] = []
        for left in self._find_starts(start, stop):
            right, own = self._spans[left]
            if right <= start or attempts not in {None, own}:
                continue
            if left < start:
                self._spans[left] = start, own
            else:
                del self._spans[left]
                self._starts.remove(left, left + 1)
            self.count -= right - max(left, start)
            if right > stop:
                self.add(stop, right, own)
            taken.append((max(left, start), min(right, stop)))
        return taken

    def clear(self) -> None:
        self._spans.clear()
        self._starts = RangeSet()
        self.count = 0

    def _find_starts(self, start: int, stop: int) -> list[int]:
        """Return the starts of the spans that may contain some of the tasks [start, stop)."""
        if not self._spans:
            return []
        found = [left for piece in self._starts.overlap(start, stop) for left in range(*piece)]
        before = self._starts.last_before(start)
        return found if before is None else [before, *found]
