"""Limits how many requests are served per second; they are served one after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

#: After a pause, the requests of this many seconds may proceed at once.
BURST_SECONDS = 0.5


def _stays() -> bool:
    return False


class RequestRateLimit:
    """Lets waiting requests proceed in the order in which they arrived."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._free_at = 0.0
        self._queue = asyncio.Lock()

    async def take(self, is_gone: Callable[[], bool] = _stays) -> bool:
        """Wait for a turn. Return False, without using one, if the peer disconnected meanwhile."""
        async with self._queue:
            if is_gone():
                return False
            now = time.monotonic()
            self._free_at = max(self._free_at, now - BURST_SECONDS) + 1 / self.per_second
            if self._free_at > now:
                await asyncio.sleep(self._free_at - now)
            return True
