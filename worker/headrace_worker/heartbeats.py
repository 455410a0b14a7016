"""Heartbeats tell the coordinator that the worker lives; what it answers may hold orders.

    heartbeats ─ one after the other, each a long-poll of one interval ─► coordinator
    feeder ◄─ on_orders ──────────────────────────────────────────────────┘

They come from the agent, never from a slot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import is_final
from headrace_wire.messages import Heartbeat, Orders, TaskProgress
from headrace_worker.condition import Condition
from headrace_worker.holdings import Holdings

log = logging.getLogger(__name__)

#: A heartbeat waits for orders no longer than this, so that what it says of the worker is fresh.
LONGEST_BEAT_SECONDS = 1.0


class Heartbeats:
    """``examine`` returns how the worker does; ``register`` is called when the coordinator does not
    know it any more, and ``on_orders`` when there is something to do.
    """

    def __init__(
        self,
        jobs: AsyncCaller[JobQueueApi],
        worker: str,
        name: str,
        *,
        holdings: Holdings,
        examine: Callable[[], Condition],
        register: Callable[[AsyncCaller[JobQueueApi]], Awaitable[object]],
        on_orders: Callable[[Orders], None],
    ) -> None:
        self._jobs = jobs
        self._worker = worker
        self._name = name
        self._holdings = holdings
        self._examine = examine
        self._register = register
        self._on_orders = on_orders
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
        condition = self._examine()
        beat = Heartbeat(
            worker=self._worker,
            request=request,
            leases=leases,
            busy=condition.busy,
            rss_bytes=condition.rss_bytes,
            draining=condition.draining,
            wait_seconds=wait_seconds,
            orders=self._orders,
            progress=tuple(
                TaskProgress(one.job, one.index, self._name, one.done, one.of)
                for one in condition.progress
                if not self._bare
            ),
        )
        orders = await self._jobs.call(JobQueueApi.heartbeat, beat)
        self._orders = orders.number
        if not orders.known:
            await self._register(self._jobs)
        if orders.cancelled_jobs or orders.cancelled_tasks or orders.hand_back:
            self._on_orders(orders)
