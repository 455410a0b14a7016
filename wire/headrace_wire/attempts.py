"""When a call is made again whose connection was lost: for threads and for event loops alike."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from headrace_wire.timeouts import LOOK_SECONDS, find_limit, shorten_waits

#: First and longest pause between attempts, in seconds.
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0


class Attempts:
    """The attempts at one call, for ``patience_seconds`` or until the caller's limit.

    ``until`` is the monotonic moment at which an attempt ends, None where the caller has no limit.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._limit = limit = find_limit()
        self.until = None if limit is None else max(limit.moment, time.monotonic()) + LOOK_SECONDS
        self._pauses = _draw_pauses(patience_seconds)
        self._is_repeated = False

    def shorten(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of the call, whose long-polls end by the limit."""
        return arguments if self._limit is None else shorten_waits(arguments, self._limit)

    def find_pause(self) -> float | None:
        """Seconds from an attempt that failed to the next one; None if it was the last."""
        pause = next(self._pauses, None)
        if pause is None or self._limit is None:
            return pause
        # What was lost at first may be a connection from before a restart.
        if self._limit.is_over and self._is_repeated:
            return None
        self._is_repeated = True
        return self._limit.measure_left(pause)


def _draw_pauses(patience_seconds: float) -> Iterator[float]:
    """Pauses with backoff and jitter, for so long from when the first one is asked for."""
    deadline = time.monotonic() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        yield min(pause * jitter, left)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
