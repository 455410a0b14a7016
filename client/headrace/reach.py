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

#: Seconds that a call may take before fewer bytes go in one.
SLOW_SECONDS = 1.0


class Reach:
    """Bytes of one call, from ``least`` to ``most``. ``is_far`` is asked whether the coordinator is
    far away, once and only where that matters.
    """

    def __init__(self, least: int, most: int, is_far: Callable[[], Awaitable[bool]]) -> None:
        self.size_bytes = least
        self._least, self._most = least, most
        self._ask = is_far
        self._is_far: bool | None = None

    async def note(self, size_bytes: int, seconds: float) -> None:
        """A call with so many bytes has taken so long. Raises what ``is_far`` does."""
        if size_bytes < self.size_bytes // 2 or seconds < FAR_SECONDS:
            return
        if seconds > SLOW_SECONDS:
            self.size_bytes = max(self._least, self.size_bytes // 2)
            return
        if self._is_far is None:
            self._is_far = await self._ask()
        if self._is_far:
            self.size_bytes = min(self._most, 2 * self.size_bytes)


async def is_far_away(jobs: AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi]) -> bool:
    """Ask the coordinator something that is answered at once, and see how long that takes."""
    begun = time.monotonic()
    await jobs.call(JobQueueApi.info)
    return time.monotonic() - begun >= FAR_SECONDS
