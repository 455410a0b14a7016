"""Ends transfers that stall or are too slow: frames that arrive, or answers that leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

#: Seconds between two checks of a transfer.
LOOK_SECONDS = 1.0


class Pace(Struct, frozen=True):
    """How slow a transfer may be: it is ended if no byte has moved for ``stall_seconds``, or if it
    is slower than ``floor`` bytes per second on average after ``grace_seconds``.
    """

    stall_seconds: float
    grace_seconds: float
    floor: float

    def permits(self, still: float, age: float, moved: int) -> bool:
        """Return whether a transfer may continue, given the seconds since the last byte and since
        its beginning, and the bytes so far.
        """
        if still >= self.stall_seconds:
            return False
        return age < self.grace_seconds or moved >= self.floor * age


#: The usual pace, which any link can keep, and the one that applies while others wait for memory.
PATIENT = Pace(20.0, 30.0, 16 << 10)
HURRIED = Pace(2.0, 5.0, 256 << 10)


class Meter:
    """Watches one direction of a connection, in an event loop. ``count`` returns how many bytes
    have moved, ``find_pace`` how slow it may be, and ``on_slow`` is called if it is slower.
    """

    def __init__(
        self, count: Callable[[], int], find_pace: Callable[[], Pace], on_slow: Callable[[], object]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._count = count
        self._find_pace = find_pace
        self._on_slow = on_slow
        self._timer: asyncio.TimerHandle | None = None
        self._is_active = False
        self._begin()

    def start(self) -> None:
        """Note that a transfer has begun."""
        if not self._is_active:
            self._is_active = True
            self._begin()
            if self._timer is None:
                self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """Note that it has ended, or cannot continue for a reason on this side."""
        self._is_active = False  # the timer ends by itself: starting one costs more

    def close(self) -> None:
        """Note that the connection has ended."""
        self._is_active = False
        if self._timer:
            self._timer.cancel()

    def _begin(self) -> None:
        self._began = self._moved_at = self._loop.time()
        self._first = self._last = self._count()

    def _look(self) -> None:
        self._timer = None
        if not self._is_active:
            return
        now, moved = self._loop.time(), self._count()
        if moved != self._last:
            self._last, self._moved_at = moved, now
        still, age = now - self._moved_at, now - self._began
        if self._find_pace().permits(still, age, moved - self._first):
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)
        else:
            self._on_slow()
