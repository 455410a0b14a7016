"""How many bytes to send or to request in one call: more if the round trip is long but calls are
fast.

With one call of 1 MiB at a time, 5 MB per second are sent over 200 ms, however fast the link is.
For near coordinators, the number does not change, because large frames delay other calls.
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

#: How many seconds a call may take in addition to the round trip, before fewer bytes are sent.
SLOW_SECONDS = 0.8


class CallSize:
    """The number of bytes of one call, from ``least`` to ``most``.

    ``measure`` returns how many seconds away the coordinator is, 0 if it is near. It is called at
    most once, if this makes a difference.
    """

    def __init__(self, least: int, most: int, measure: Callable[[], Awaitable[float]]) -> None:
        self.size_bytes = least
        self._least, self._most = least, most
        self._measure = measure
        self._round_trip: float | None = None

    async def note(self, size_bytes: int, seconds: float) -> None:
        """Note how long a call with this many bytes took. Raises the errors of ``measure``."""
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
    """Return the seconds of a call that is answered at once; 0 if the coordinator is near."""
    begun = time.monotonic()
    await jobs.call(JobQueueApi.info)
    seconds = time.monotonic() - begun
    return seconds if seconds >= FAR_SECONDS else 0.0
