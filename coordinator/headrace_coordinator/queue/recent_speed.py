"""How quickly the tasks of a job are done as of late."""

from __future__ import annotations

from collections import deque

from msgspec import Struct, field

#: So many of the newest counts are kept, and one in so many seconds at most: they are of about a
#: quarter of a minute where tasks are short, and of as many tasks where each takes longer.
COUNTS_KEPT = 16
COUNT_SECONDS = 1.0


class RecentSpeed(Struct):
    """Counts of tasks that were done by then, with their monotonic times, the oldest first."""

    counts: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def note(self, now: float, done: int) -> None:
        """Take note of how many are done by now."""
        counts = self.counts
        if not counts or now - counts[-1][0] >= COUNT_SECONDS:
            counts.append((now, done))
            if len(counts) > COUNTS_KEPT:
                counts.popleft()

    def find(self, now: float, done: int) -> float | None:
        """How many were done a second; 0 if none was for long, None where that is not known yet."""
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
        """Begin anew: what comes has nothing to do with what was."""
        self.counts.clear()
