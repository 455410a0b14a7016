"""A token bucket: some events are allowed at once, and then a number per second."""

from __future__ import annotations


class TokenBucket:
    """Decides whether an event is allowed, and counts those that are not. Not thread-safe.

    ``at_once`` events are allowed immediately, and ``per_second`` more. When these are used up,
    nothing more is allowed until there is room for ``pause_for`` events, so that omissions are
    reported rarely, and not after every line.
    """

    def __init__(
        self, at_once: float, per_second: float, now_seconds: float, pause_for: float = 1.0
    ) -> None:
        self._at_once, self._per_second, self._pause_for = at_once, per_second, pause_for
        self._room, self._at = float(at_once), now_seconds
        self._is_used_up = False
        #: How many events were not allowed since this was set to 0.
        self.left_out = 0

    def take(self, now_seconds: float) -> bool:
        """Return whether one more event is allowed at this monotonic time."""
        earned = (now_seconds - self._at) * self._per_second
        self._room, self._at = min(self._room + earned, float(self._at_once)), now_seconds
        if self._room < (self._pause_for if self._is_used_up else 1.0):
            self._is_used_up = True
            self.left_out += 1
            return False
        self._is_used_up = False
        self._room -= 1
        return True
