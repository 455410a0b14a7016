"""Runs of tasks that wait for another attempt, and how often they were attempted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

#: A run of tasks and how often they were attempted: (start, stop, attempts).
Run = tuple[int, int, int]


class Runs:
    """The last one that was added is taken first. ``count`` is that of their tasks."""

    __slots__ = ("_runs", "count")

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self.count = 0

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __repr__(self) -> str:
        return f"Runs({self._runs})"

    def add(self, start: int, stop: int, attempts: int) -> None:
        self._runs.append((start, stop, attempts))
        self.count += stop - start

    def take(self, find_cut: Callable[[int, int, int], int]) -> Run:
        """Take the first part of a run, up to where ``find_cut`` says. There must be one."""
        start, stop, attempts = self._runs.pop()
        cut = find_cut(start, stop, attempts)
        if cut < stop:
            self._runs.append((cut, stop, attempts))
        self.count -= cut - start
        return start, cut, attempts

    def remove(self, start: int, stop: int, attempts: int | None = None) -> list[tuple[int, int]]:
        """Take out tasks [start, stop), or those attempted so often; gives those that were here."""
        kept: list[Run] = []
        taken: list[tuple[int, int]] = []
        for run in self._runs:
            left, right, own = run
            if right <= start or stop <= left or attempts not in {None, own}:
                kept.append(run)
                continue
            if left < start:
                kept.append((left, start, own))
            if right > stop:
                kept.append((stop, right, own))
            taken.append((max(left, start), min(right, stop)))
        if taken:
            self._runs = kept
            self.count -= sum(right - left for left, right in taken)
        return taken

    def clear(self) -> None:
        self._runs.clear()
        self.count = 0
