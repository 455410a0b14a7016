"""The leaser requests work from the coordinator whenever the pool wants some.

    feeder ─ wanted ─► leaser ─ lease (long-poll) ─► coordinator
    feeder ◄─ count_wanted ─┘  lease intake ◄─ take ─┘

There is one request at a time, or several if the coordinator is far away. If a request is
cancelled, the coordinator takes back what it may have granted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import UnknownWorkerError, is_final
from headrace_wire.messages.leases import MAX_TASK_TIMES, LeaseRequest
from headrace_wire.window import Window
from headrace_worker.feeder import REQUEST_BYTES, Feeder
from headrace_worker.holdings import Holdings
from headrace_worker.lease_intake import LeaseIntake
from headrace_worker.wake import wait_until

log = logging.getLogger(__name__)

#: How many seconds a request for work waits. A request on a broken link is repeated only after
#: this.
LEASE_WAIT_SECONDS = 5.0

#: How many seconds it waits while it is not known how far away the coordinator is: requests tell
#: this, and more work is granted to a worker that is far away.
FIRST_WAIT_SECONDS = 0.25

#: Seconds between attempts if the coordinator's store, or its answer, cannot be read.
ERROR_PAUSE_SECONDS = 1.0


@dataclass
class Leaser:
    """``register`` is called if the coordinator does not know the worker any more."""

    jobs: AsyncCaller[JobQueueApi]
    worker: str
    feeder: Feeder
    intake: LeaseIntake
    holdings: Holdings
    register: Callable[[AsyncCaller[JobQueueApi]], Awaitable[object]]
    window: Window
    #: The pending requests, and for how many slots each requests work.
    _under_way: dict[asyncio.Task[None], int] = field(default_factory=dict[asyncio.Task[None], int])
    _failure: BaseException | None = None

    async def run(self) -> None:
        """Request work until cancelled. Raises HeadraceError if it is no use to continue."""
        try:
            while self._failure is None:
                slots = 0
                if len(self._under_way) < self.window.size:
                    slots = self.feeder.count_wanted(tuple(self._under_way.values()))
                if not slots:
                    await wait_until(self.feeder.wanted, self.feeder.wanted_at)
                elif self.window.size == 1:
                    await self._try(slots)
                else:
                    self._begin(slots)
            raise self._failure
        finally:
            for task in self._under_way:
                task.cancel()
            # The next heartbeat tells the coordinator that leases granted to them are not held.
            self.holdings.give_up()

    def _begin(self, slots: int) -> None:
        def end(task: asyncio.Task[None]) -> None:
            self._under_way.pop(task)
            if not task.cancelled():
                self._failure = self._failure or task.exception()
            self.feeder.wanted.set()

        task = asyncio.ensure_future(self._try(slots))
        self._under_way[task] = slots
        task.add_done_callback(end)

    async def _try(self, slots: int) -> None:
        number = self.holdings.ask()
        try:
            await self._ask(number, slots)
        except Exception as error:
            if is_final(error):
                raise
            log.warning("no work for now: %s", error)
            # Whatever was granted is not held here.
            self.holdings.take((), number)
            await asyncio.sleep(ERROR_PAUSE_SECONDS)

    async def _ask(self, number: int, slots: int) -> None:
        round_trip = self.feeder.round_trip.seconds
        is_known = self.feeder.round_trip.is_known
        means = self.feeder.pool.find_means() if round_trip else {}
        request = LeaseRequest(
            worker=self.worker,
            number=number,
            free_slots=slots,
            wait_seconds=LEASE_WAIT_SECONDS if is_known else FIRST_WAIT_SECONDS,
            known_jobs=self.holdings.known_jobs(),
            max_bytes=REQUEST_BYTES if round_trip else None,
            round_trip=round_trip,
            task_seconds=dict(islice(means.items(), MAX_TASK_TIMES)),
        )
        begun = time.monotonic()
        try:
            grant = await self.jobs.call(JobQueueApi.lease, request)
        except UnknownWorkerError:  # the coordinator was restarted
            await self.register(self.jobs)
            self.holdings.take((), number)
        else:
            self.window.note(time.monotonic() - begun)
            self.holdings.take(grant.leases, number)
            if round_trip:
                unknown = (one for one in grant.leases if one.job not in means)
                self.feeder.note_guessed(sum(one.stop - one.start for one in unknown))
            self.intake.take(grant.leases)
