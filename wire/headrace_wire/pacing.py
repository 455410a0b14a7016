"""Calls that look at all there is: the more there is, the longer they hold the event loop up.

A key has one such call of a method under way at a time, and after it a pause that grows with the
time that it took. So however many connections somebody opens for them, others are served between.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")

#: The methods that may take long.
PACED = frozenset({"jobs", "match", "workers", "names", "progress", "overview", "running"})

#: The pause after a call, in times of what it took.
PAUSES_PER_CALL = 3.0

#: A call that took less, in seconds, is followed by none.
SHORT_SECONDS = 0.002


class Pace:
    """When a key may make its next call of a method."""

    def __init__(self) -> None:
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._free_at: dict[tuple[str, str], float] = {}

    async def take(self, key: str, method: str, call: Callable[[], Given]) -> Given:
        """Make a call when it is this key's turn. Raises what the call does."""
        who = key, method
        async with self._turns[who]:
            pause = self._free_at.get(who, 0.0) - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            begun = time.thread_time()
            try:
                return call()
            finally:
                took = time.thread_time() - begun
                if took > SHORT_SECONDS:
                    self._free_at[who] = time.monotonic() + PAUSES_PER_CALL * took
