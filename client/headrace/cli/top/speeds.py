"""How quickly counts have grown in the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

#: Speeds are estimated from this many seconds of the past.
SPEED_SECONDS = 15.0


class Speeds:
    """Counts by name, with the times at which they were seen (monotonic)."""

    def __init__(self, seconds: float = SPEED_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[str, deque[tuple[float, float]]] = {}

    def note(self, name: str, at: float, count: float) -> None:
        """Note a count. One that has decreased, as after a retry, starts again."""
        seen = self._seen.setdefault(name, deque())
        if seen and count < seen[-1][1]:
            seen.clear()
        seen.append((at, count))
        while len(seen) > 2 and seen[1][0] <= at - self._seconds:
            seen.popleft()

    def find(self, name: str) -> float | None:
        """Return how much it grew per second; None before it was seen twice."""
        seen = self._seen.get(name)
        if not seen or seen[-1][0] <= seen[0][0]:
            return None
        (first_at, first), (last_at, last) = seen[0], seen[-1]
        return (last - first) / (last_at - first_at)

    def keep(self, names: Iterable[str]) -> None:
        """Forget all other names."""
        kept = set(names)
        self._seen = {name: seen for name, seen in self._seen.items() if name in kept}
