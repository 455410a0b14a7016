"""Ends transfers that stand still, or creep: a frame that arrives, or an answer that leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

#: Seconds between looks at a transfer.
LOOK_SECONDS = 1.0


class Pace(Struct, frozen=True):
    """How slow a transfer may be: it ends when not a byte has moved for ``stall_seconds``, or when
    it has been slower than ``floor`` bytes a second in all after ``grace_seconds``.
    """

    stall_seconds: float
    grace_seconds: float
    floor: float

    def permits(self, still: float, age: float, moved: int) -> bool:
        """Whether a transfer may go on: seconds since a byte moved and since its begin, bytes."""
        if still >= self.stall_seconds:
            return False
        return age < self.grace_seconds or moved >= self.floor * age


#: The usual pace, which any link can keep, and the one while others wait for memory.
PATIENT = Pace(20.0, 30.0, 16 << 10)
HURRIED = Pace(2.0, 5.0, 256 << 10)


class Meter:
    """Watches one direction of a connection, in an event loop. ``count`` returns how many bytes
    have moved, ``find_pace`` how slow it may be, and ``on_slow`` is called when it is slower.
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
        """A transfer has begun."""
        if not self._is_active:
            self._is_active = True
            self._begin()
            if self._timer is None:
                self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        """It has ended, or cannot go on for a reason of ours."""
        self._is_active = False  # the timer ends by itself: starting one costs more

    def close(self) -> None:
        """The connection has ended."""
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
