"""How quickly the tasks of a job were done recently."""

from __future__ import annotations

from collections import deque

from msgspec import Struct, field

#: How many of the newest counts are kept, and their minimum distance in seconds. So they cover
#: about a quarter of a minute if tasks are short, and that number of tasks if each takes longer.
COUNTS_KEPT = 16
COUNT_SECONDS = 1.0


class RecentSpeed(Struct):
    """Counts of done tasks, with their monotonic times, the oldest first."""

    counts: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def note(self, now: float, done: int) -> None:
        """Record how many are done by now."""
        counts = self.counts
        if not counts or now - counts[-1][0] >= COUNT_SECONDS:
            counts.append((now, done))
            if len(counts) > COUNTS_KEPT:
                counts.popleft()

    def find(self, now: float, done: int) -> float | None:
        """Return how many were done per second; 0 if none was for long, None if not known yet."""
        if not self.counts:
            return None
        (first_at, first), (last_at, _) = self.counts[0], self.counts[-1]
        if done <= first or now <= first_at:
            return None
        usual = max(COUNT_SECONDS, (last_at - first_at) / max(1, len(self.counts) - 1))
        if now - last_at > COUNTS_KEPT * usual:
            return 0.0
        return (done - first) / (now - first_at)

    def clear(self) -> None:
        """Start again: the next counts are not related to the previous ones."""
        self.counts.clear()
