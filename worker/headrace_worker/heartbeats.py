"""Heartbeats tell the coordinator that the worker is alive; its answers may contain orders.

    heartbeats ─ one after the other, each a long-poll of one interval ─► coordinator
    feeder ◄─ obey ───────────────────────────────────────────────────────┘

They are sent by the agent, never by a slot. The time that an answer takes shows how far away the
coordinator is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.bounds import MAX_RUNNING_TOLD
from headrace_wire.errors import is_final
from headrace_wire.messages.workers import Heartbeat, TaskProgress, WorkerInfo
from headrace_wire.round_trip import RoundTrip
from headrace_worker.engines.engine import Engine
from headrace_worker.feeder import Feeder
from headrace_worker.holdings import Holdings

log = logging.getLogger(__name__)

#: A heartbeat waits for orders no longer than this, so that what it tells about the worker is
#: recent.
LONGEST_BEAT_SECONDS = 1.0


@dataclass
class Heartbeats:
    """``register`` is called if the coordinator does not know the worker any more.

    ``answered`` is called after each answer.
    """

    jobs: AsyncCaller[JobQueueApi]
    info: WorkerInfo
    pool: Engine
    feeder: Feeder
    holdings: Holdings
    register: Callable[[AsyncCaller[JobQueueApi]], Awaitable[object]]
    answered: Callable[[], None]
    round_trip: RoundTrip
    _orders: int = 0
    _bare: bool = False

    async def run(self, interval_seconds: float) -> None:
        """Send heartbeats until cancelled. Raises HeadraceError if it is no use to continue."""
        wait_seconds = min(interval_seconds, LONGEST_BEAT_SECONDS)
        while True:
            try:
                # The first ones do not wait, so that the round trip is known soon.
                await self._beat(wait_seconds if self.round_trip.is_known else 0.0)
            except Exception as error:
                if is_final(error):
                    raise
                log.warning("a heartbeat failed: %s", error)
                # The next heartbeat contains only what is necessary.
                self._bare = True
                await asyncio.sleep(wait_seconds)
            else:
                self._bare = False

    async def _beat(self, wait_seconds: float) -> None:
        request, leases = self.holdings.snapshot()
        progress = [] if self._bare else self.pool.list_progress()
        beat = Heartbeat(
            worker=self.info.id,
            request=request,
            leases=leases,
            busy=self.pool.busy_slots,
            rss_bytes=self.feeder.rss_bytes,
            draining=self.feeder.draining,
            wait_seconds=wait_seconds,
            orders=self._orders,
            progress=tuple(
                TaskProgress(one.job, one.index, self.info.name, one.done, one.of)
                for one in progress
            ),
            running=() if self._bare else tuple(self.pool.list_running(MAX_RUNNING_TOLD)),
            cpu_percent=self.feeder.cpu_percent,
        )
        orders = await self.jobs.call(JobQueueApi.heartbeat, beat)
        self.answered()
        self.round_trip.note(self.jobs.answer_took - orders.waited_seconds)
        self._orders = orders.number
        if not orders.known:
            await self.register(self.jobs)
        if orders.cancelled_jobs or orders.cancelled_tasks or orders.hand_back or orders.drain:
            self.feeder.obey(orders)
