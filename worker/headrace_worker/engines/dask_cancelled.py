"""Spans that were cancelled while they ran on Dask, whose processes are busy until they end.

    DaskGrid.run is cancelled ─► release ─► wait_for ─► … ─► no process has the span any more

Dask forgets a released task at once. But it cannot end the task, and meanwhile what it sends to
that process has to wait. So the span still counts as running until its process is finished with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

from headrace_worker.engines.grid import GridAwayError

#: Seconds before the processes are asked for the first time, and at most between two questions.
FIRST_SECONDS = 0.1
PAUSE_SECONDS = 1.0


class CancelledSpans:
    """Waits until spans have ended. ``list_running`` returns the keys of all spans that run, and
    raises OSError, TimeoutError and GridAwayError if they are not known.
    """

    def __init__(self, list_running: Callable[[], Awaitable[Collection[str]]]) -> None:
        self._list_running = list_running
        self._ended: dict[str, asyncio.Event] = {}
        self._asking: asyncio.Task[None] | None = None

    async def wait_for(self, key: str) -> None:
        """Return when a span does not run any more."""
        ended = self._ended[key] = asyncio.Event()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            await ended.wait()
        finally:
            del self._ended[key]

    def forget(self) -> None:
        """Let nobody wait any longer, because the cluster cannot be asked."""
        for ended in self._ended.values():
            ended.set()

    async def _ask(self) -> None:
        pause = FIRST_SECONDS
        while self._ended:
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS)
            asked = dict(self._ended)
            try:
                running = await self._list_running()
            except (OSError, TimeoutError, GridAwayError):
                continue
            for key, ended in asked.items():
                if key not in running:
                    ended.set()
            await asyncio.sleep(0)  # those who waited are gone
