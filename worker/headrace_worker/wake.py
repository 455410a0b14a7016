"""Waiting for an event no longer than until a moment."""

from __future__ import annotations

import asyncio
import time
from math import ceil, inf

#: The clock of an event loop may tick once in so many seconds: a shorter wait is none.
TICK_SECONDS = 0.001


async def wait_until(event: asyncio.Event, moment: float = inf) -> bool:
    """Wait for an event and clear it; returns False if the monotonic ``moment`` came first."""
    delay = None
    if moment < inf:
        # In whole ticks, so that nothing of the time is left afterwards.
        delay = max(0, ceil((moment - time.monotonic()) / TICK_SECONDS)) * TICK_SECONDS
    if not event.is_set():
        try:
            async with asyncio.timeout(delay):
                await event.wait()
        except TimeoutError:
            return False
    event.clear()
    return True
