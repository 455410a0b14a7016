"""Heartbeats tell the coordinator that the worker lives; what it answers may hold orders.

    heartbeats ─ one after the other, each a long-poll of one interval ─► coordinator
    feeder ◄─ obey ───────────────────────────────────────────────────────┘

They come from the agent, never from a slot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import is_final
from headrace_wire.messages import Heartbeat, TaskProgress, WorkerInfo
from headrace_worker.feeder import Feeder
from headrace_worker.holdings import Holdings
from headrace_worker.pool.pool import Pool

log = logging.getLogger(__name__)

#: A heartbeat waits for orders no longer than this, so that what it says of the worker is fresh.
LONGEST_BEAT_SECONDS = 1.0


class Heartbeats:
    """``register`` is called when the coordinator does not know the worker any more.

    ``answered`` is called whenever it has answered.
    """

    def __init__(
        self,
        jobs: AsyncCaller[JobQueueApi],
        info: WorkerInfo,
        pool: Pool,
        feeder: Feeder,
        *,
        holdings: Holdings,
        register: Callable[[AsyncCaller[JobQueueApi]], Awaitable[object]],
        answered: Callable[[], None],
    ) -> None:
        self._jobs = jobs
        self._info = info
        self._pool = pool
        self._feeder = feeder
        self._holdings = holdings
        self._register = register
        self._answered = answered
        self._orders = 0
        self._bare = False

    async def run(self, interval_seconds: float) -> None:
        """Send them until cancelled. Raises HeadraceError where there is no use in going on."""
        wait_seconds = min(interval_seconds, LONGEST_BEAT_SECONDS)
        while True:
            try:
                await self._beat(wait_seconds)
            except Exception as error:
                if is_final(error):
                    raise
                log.warning("a heartbeat failed: %s", error)
                # The next one says only what it must.
                self._bare = True
                await asyncio.sleep(wait_seconds)
            else:
                self._bare = False

    async def _beat(self, wait_seconds: float) -> None:
        request, leases = self._holdings.snapshot()
        progress = () if self._bare else self._pool.news.list_progress()
        beat = Heartbeat(
            worker=self._info.id,
            request=request,
            leases=leases,
            busy=self._pool.busy_slots,
            rss_bytes=self._feeder.rss_bytes,
            draining=self._feeder.draining,
            wait_seconds=wait_seconds,
            orders=self._orders,
            progress=tuple(
                TaskProgress(one.job, one.index, self._info.name, one.done, one.of)
                for one in progress
            ),
        )
        orders = await self._jobs.call(JobQueueApi.heartbeat, beat)
        self._answered()
        self._orders = orders.number
        if not orders.known:
            await self._register(self._jobs)
        if orders.cancelled_jobs or orders.cancelled_tasks or orders.hand_back:
            self._feeder.obey(orders)
