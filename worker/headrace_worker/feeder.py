"""The feeder keeps the pool busy, and passes on what comes from it.

leaser ─ take_leases ──► LeaseIntake ─► Pool.submit ─► slots
leaser ◄─ count_wanted ─┘
reporter ◄───────────────────── Pool.take_events ◄──── slots
heartbeats ─ obey ─────► Pool.cancel, Pool.hand_back
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

from headrace_wire.heap import give_blocks_back
from headrace_wire.messages import Lease, Orders
from headrace_worker.condition import Condition
from headrace_worker.demand import Demand
from headrace_worker.holdings import Holdings
from headrace_worker.lease_intake import LeaseIntake
from headrace_worker.machine.processes import read_rss_bytes
from headrace_worker.pool.pool import Pool
from headrace_worker.reporter import Reporter
from headrace_worker.stop_signals import StopSignals
from headrace_worker.wake import wait_until

#: Seconds between looks at the memory of the slots.
LOOK_SECONDS = 2.0

#: When every slot has been in one task for longer than this, what waits here goes to others.
STUCK_SECONDS = 0.25

#: Bytes of values waiting to be reported beyond which no more work is asked for.
MAX_PENDING_BYTES = 16 << 20


class Feeder:
    """``news`` is set when slots or others have something for the pool; ``wanted`` is set by the
    feeder when more work may be wanted than before.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        news: asyncio.Event,
        wanted: asyncio.Event,
        holdings: Holdings,
        intake: LeaseIntake,
        reporter: Reporter,
        stop: StopSignals,
    ) -> None:
        self._pool = pool
        self._news = news
        self._wanted = wanted
        self._holdings = holdings
        self._intake = intake
        self._reporter = reporter
        self._stop = stop
        self._demand = Demand(pool.slots)
        self._rss_bytes = 0
        self._heap_used = False
        self._draining = False
        self._closing = False

    async def feed(self) -> None:
        """Run the pool until the worker is told to go."""
        self._pool.attach(asyncio.get_running_loop(), self._news.set)
        while not self._stop.requests:
            self._pass_on()
            self._wanted.set()
            moment = self._pool.due_seconds
            if self._pool.pending_tasks:
                if self._pool.is_stuck(STUCK_SECONDS):
                    self._reporter.add(self._pool.hand_back())
                moment = min(moment, time.monotonic() + STUCK_SECONDS)
            await wait_until(self._news, moment)

    async def drain(self, seconds: float) -> bool:
        """Hand back what has not started, and let running tasks finish.

        Returns False when they took too long. The pool is to be closed then.
        """
        self._draining = True
        deadline = time.monotonic() + seconds
        self._hand_back()
        while self._pool.outstanding and self._stop.requests < 2 and time.monotonic() < deadline:
            await wait_until(self._news, min(deadline, self._pool.due_seconds))
            self._pass_on()
        self._closing = True
        self._pool.detach()
        return not self._pool.outstanding or self._stop.requests > 1

    async def look(self) -> None:
        """Look at the memory of slots and agent, and at the data kept, until cancelled."""
        while True:
            if self._pool.outstanding:
                self._heap_used = True
            elif self._heap_used:
                self._heap_used = False
                give_blocks_back()
            self._rss_bytes = self._pool.measure_rss_bytes() + read_rss_bytes(os.getpid())
            self._intake.expire_data()
            await asyncio.sleep(LOOK_SECONDS)

    def examine(self) -> Condition:
        """Describe how the worker does."""
        return Condition(
            busy=self._pool.busy_slots,
            rss_bytes=self._rss_bytes,
            draining=self._draining,
            progress=self._pool.list_progress(),
        )

    def count_wanted(self) -> int:
        """Return for how many slots work is wanted now."""
        if self._reporter.pending_bytes > MAX_PENDING_BYTES or self._pool.is_stuck(STUCK_SECONDS):
            return 0
        return self._demand.count_wanted(self._pool)

    def take_leases(self, leases: Sequence[Lease]) -> None:
        """Have the tasks of leases run."""
        self._intake.take(leases)
        self._news.set()

    def obey(self, orders: Orders) -> None:
        """Do what the coordinator has answered a heartbeat with."""
        if self._closing:
            return
        for job in orders.cancelled_jobs:
            self._pool.cancel(job)
            self._intake.cancel(job)
            self._holdings.forget_job(job)
        for task in orders.cancelled_tasks:
            self._pool.cancel_task(task.job, task.index)
        if orders.hand_back:
            self._hand_back()
        self._news.set()

    def _pass_on(self) -> None:
        """Have everything that came from the slots reported."""
        events = self._pool.take_events()
        if restarts := self._pool.take_restarts():
            self._reporter.add_restarts(restarts)
        # Before the outcomes, so that a task's lines are there when its outcome is.
        if lines := self._pool.take_lines():
            self._reporter.add_lines(lines)
        if events:
            self._reporter.add(events, more=bool(self._pool.outstanding))
            self._demand.learn(events)

    def _hand_back(self) -> None:
        """Give back every task that has not started."""
        self._reporter.add(self._pool.hand_back())
        self._reporter.add(self._intake.hand_back())
