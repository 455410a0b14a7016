"""Which tasks of a job have been seen, in memory that does not grow with their number."""

from __future__ import annotations


class Coverage:
    """The indices seen so far, as maximal ranges. If they come nearly in order, there are few."""

    def __init__(self) -> None:
        self._stop_by_start: dict[int, int] = {}
        self._start_by_stop: dict[int, int] = {}

    def add(self, index: int) -> None:
        """Note an index that was not seen before."""
        start = self._start_by_stop.pop(index, index)
        stop = self._stop_by_start.pop(index + 1, index + 1)
        self._stop_by_start[start] = stop
        self._start_by_stop[stop] = start

    def find_missing(self, tasks: int) -> tuple[int, int] | None:
        """Return the first range [start, stop) of missing indices below ``tasks``, or None."""
        seen = sorted(self._stop_by_start)
        if not seen:
            return (0, tasks) if tasks else None
        if seen[0] > 0:
            return 0, seen[0]
        stop = self._stop_by_start[seen[0]]
        if stop >= tasks:
            return None
        return stop, seen[1] if len(seen) > 1 else tasks
