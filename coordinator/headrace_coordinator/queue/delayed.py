"""Tasks that wait for the end of a pause, ordered by that time, and found by their index."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from headrace_coordinator.queue.ranges import RangeSet

#: A task: when its pause ends, its index, and how often it was attempted.
Pause = tuple[float, int, int]


class Delayed:
    """The task whose pause ends first is first. ``indices`` are the indices of all of them."""

    __slots__ = ("_heap", "_pauses", "indices")

    def __init__(self) -> None:
        self._pauses: dict[int, Pause] = {}
        #: The same again, and some that have been removed.
        self._heap: list[Pause] = []
        self.indices = RangeSet()

    def __iter__(self) -> Iterator[Pause]:
        return iter(list(self._pauses.values()))

    def __len__(self) -> int:
        return len(self._pauses)

    def add(self, moment: float, index: int, attempts: int) -> None:
        self._pauses[index] = pause = (moment, index, attempts)
        self.indices.add(index, index + 1)
        heapq.heappush(self._heap, pause)

    def first(self) -> Pause:
        """Return the task whose pause ends first. There must be one."""
        while self._pauses.get(self._heap[0][1]) != self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0]

    def pop(self) -> Pause:
        """Remove and return the task whose pause ends first. There must be one."""
        pause = self.first()
        heapq.heappop(self._heap)
        del self._pauses[pause[1]]
        self.indices.remove(pause[1], pause[1] + 1)
        return pause

    def remove(self, start: int, stop: int) -> None:
        if not self._pauses:
            return
        for left, right in self.indices.overlap(start, stop):
            for index in range(left, right):
                del self._pauses[index]
        self.indices.remove(start, stop)
        if not self._pauses:
            self._heap.clear()

    def clear(self) -> None:
        self._pauses.clear()
        self._heap.clear()
        self.indices = RangeSet()
