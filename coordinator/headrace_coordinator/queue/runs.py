"""Runs of tasks that wait for another attempt, and how often they were attempted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headrace_coordinator.queue.ranges import RangeSet

#: A run of tasks and how often they were attempted: (start, stop, attempts).
Run = tuple[int, int, int]


class Runs:
    """The last one that was added is taken first. ``count`` is that of their tasks.

    Tasks are found by their index, too, at the cost of a search and not of a look at every run.
    """

    __slots__ = ("_runs", "_starts", "count")

    def __init__(self) -> None:
        #: Stop and attempts by start, in the order in which they were added.
        self._runs: dict[int, tuple[int, int]] = {}
        #: The starts once more, to be searched.
        self._starts = RangeSet()
        self.count = 0

    def __iter__(self) -> Iterator[Run]:
        return iter([(start, stop, attempts) for start, (stop, attempts) in self._runs.items()])

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __repr__(self) -> str:
        return f"Runs({list(self)})"

    def add(self, start: int, stop: int, attempts: int) -> None:
        """Add a run of tasks, none of which is here."""
        self._runs[start] = stop, attempts
        self._starts.add(start, start + 1)
        self.count += stop - start

    def take(self, find_cut: Callable[[int, int, int], int]) -> Run:
        """Take the first part of a run, up to where ``find_cut`` says. There must be one."""
        start, (stop, attempts) = self._runs.popitem()
        self._starts.remove(start, start + 1)
        self.count -= stop - start
        cut = find_cut(start, stop, attempts)
        if cut < stop:
            self.add(cut, stop, attempts)
        return start, cut, attempts

    def remove(self, start: int, stop: int, attempts: int | None = None) -> list[tuple[int, int]]:
        """Take out tasks [start, stop), or those attempted so often; gives those that were here."""
        taken: list[tuple[int, int]] = []
        for left in self._find_starts(start, stop):
            right, own = self._runs[left]
            if right <= start or attempts not in {None, own}:
                continue
            if left < start:
                self._runs[left] = start, own
            else:
                del self._runs[left]
                self._starts.remove(left, left + 1)
            self.count -= right - max(left, start)
            if right > stop:
                self.add(stop, right, own)
            taken.append((max(left, start), min(right, stop)))
        return taken

    def clear(self) -> None:
        self._runs.clear()
        self._starts = RangeSet()
        self.count = 0

    def _find_starts(self, start: int, stop: int) -> list[int]:
        """Where the runs begin that may hold some of tasks [start, stop)."""
        if not self._runs:
            return []
        found = [left for piece in self._starts.overlap(start, stop) for left in range(*piece)]
        before = self._starts.last_before(start)
        return found if before is None else [before, *found]
