"""Which tasks of a job have been seen, in memory that does not grow with their number."""

from __future__ import annotations


class Coverage:
    """Indices seen so far, as maximal ranges; few when they come nearly in order."""

    def __init__(self) -> None:
        self._stop_by_start: dict[int, int] = {}
        self._start_by_stop: dict[int, int] = {}

    def add(self, index: int) -> None:
        """Take note of an index that was not seen before."""
        start = self._start_by_stop.pop(index, index)
        stop = self._stop_by_start.pop(index + 1, index + 1)
        self._stop_by_start[start] = stop
        self._start_by_stop[stop] = start

    def find_missing(self, tasks: int) -> tuple[int, int] | None:
        """First run [start, stop) of indices below ``tasks`` that is missing, or None."""
        seen = sorted(self._stop_by_start)
        if not seen:
            return (0, tasks) if tasks else None
        if seen[0] > 0:
            return 0, seen[0]
        stop = self._stop_by_start[seen[0]]
        if stop >= tasks:
            return None
        return stop, seen[1] if len(seen) > 1 else tasks
