"""How quickly counts grow: of the last seconds, from what was seen in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

#: Seconds of the past from which a speed is estimated.
SPEED_SECONDS = 15.0


class Speeds:
    """Counts under their names, as they were seen at moments of a clock that never goes back."""

    def __init__(self, seconds: float = SPEED_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[str, deque[tuple[float, float]]] = {}

    def note(self, name: str, at: float, count: float) -> None:
        """Take note of a count. One that went back, as after a retry, begins anew."""
        seen = self._seen.setdefault(name, deque())
        if seen and count < seen[-1][1]:
            seen.clear()
        seen.append((at, count))
        while len(seen) > 2 and seen[1][0] <= at - self._seconds:
            seen.popleft()

    def find(self, name: str) -> float | None:
        """How much it grew a second; None before it was seen twice."""
        seen = self._seen.get(name)
        if not seen or seen[-1][0] <= seen[0][0]:
            return None
        (first_at, first), (last_at, last) = seen[0], seen[-1]
        return (last - first) / (last_at - first_at)

    def keep(self, names: Iterable[str]) -> None:
        """Forget all others."""
        kept = set(names)
        self._seen = {name: seen for name, seen in self._seen.items() if name in kept}
