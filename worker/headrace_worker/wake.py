"""Waits for an event until a given time."""

from __future__ import annotations

import asyncio
import time
from math import ceil, inf

#: The clock of an event loop may tick only once in this many seconds; a shorter wait would be none.
TICK_SECONDS = 0.001


async def wait_until(event: asyncio.Event, moment: float = inf) -> bool:
    """Wait for an event and clear it. Return False if the monotonic ``moment`` came first."""
    delay = None
    if moment < inf:
        # In whole ticks, so that no time is left afterwards.
        delay = max(0, ceil((moment - time.monotonic()) / TICK_SECONDS)) * TICK_SECONDS
    if not event.is_set():
        try:
            async with asyncio.timeout(delay):
                await event.wait()
        except TimeoutError:
            return False
    event.clear()
    return True
