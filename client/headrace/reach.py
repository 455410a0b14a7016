"""How many bytes to send or to ask for in one call: more where the way is long, but not slow.

One call of 1 MiB at a time carries 5 MB in a second over 200 ms, whatever the link could do. Near
coordinators get the same as ever, as large frames keep others waiting.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from headrace_wire.api import JobQueueApi
from headrace_wire.round_trip import FAR_SECONDS

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller

#: Seconds that a call may take beyond the round trip before fewer bytes go in one.
SLOW_SECONDS = 0.8


class Reach:
    """Bytes of one call, from ``least`` to ``most``. ``measure`` says how many seconds away the
    coordinator is, 0 for a near one; it is called once, and only where that matters.
    """

    def __init__(self, least: int, most: int, measure: Callable[[], Awaitable[float]]) -> None:
        self.size_bytes = least
        self._least, self._most = least, most
        self._measure = measure
        self._round_trip: float | None = None

    async def note(self, size_bytes: int, seconds: float) -> None:
        """A call with so many bytes has taken so long. Raises what ``measure`` does."""
        if size_bytes < self.size_bytes // 2 or seconds < FAR_SECONDS:
            return
        if self._round_trip is None:
            self._round_trip = await self._measure()
        if not self._round_trip:
            return
        if seconds > self._round_trip + SLOW_SECONDS:
            self.size_bytes = max(self._least, self.size_bytes // 2)
        else:
            self.size_bytes = min(self._most, 2 * self.size_bytes)


async def measure_distance(jobs: AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi]) -> float:
    """Ask the coordinator something that is answered at once. Returns how many seconds that takes,
    0 where it is near.
    """
    begun = time.monotonic()
    await jobs.call(JobQueueApi.info)
    seconds = time.monotonic() - begun
    return seconds if seconds >= FAR_SECONDS else 0.0
