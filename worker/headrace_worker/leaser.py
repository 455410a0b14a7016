"""The leaser asks the coordinator for work whenever the pool wants some.

    feeder ─ wanted ─► leaser ─ lease (long-poll) ─► coordinator
    feeder ◄─ count_wanted ─┘  lease intake ◄─ take ─┘

What a request that is cancelled may have been granted, the coordinator takes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import UnknownWorkerError, is_final
from headrace_wire.messages import LeaseRequest
from headrace_worker.feeder import Feeder
from headrace_worker.holdings import Holdings
from headrace_worker.lease_intake import LeaseIntake
from headrace_worker.wake import wait_until

log = logging.getLogger(__name__)

#: Seconds that a request for work waits for some. A request on a link that was cut is repeated only
#: after that.
LEASE_WAIT_SECONDS = 5.0

#: Seconds between attempts when the coordinator's store cannot be read, or its answer.
ERROR_PAUSE_SECONDS = 1.0


@dataclass
class Leaser:
    """``register`` is called when the coordinator does not know the worker any more."""

    jobs: AsyncCaller[JobQueueApi]
    worker: str
    feeder: Feeder
    intake: LeaseIntake
    holdings: Holdings
    register: Callable[[AsyncCaller[JobQueueApi]], Awaitable[object]]

    async def run(self) -> None:
        """Ask for work until cancelled. Raises HeadraceError where there is no use in going on."""
        number = 0
        try:
            while True:
                while not (slots := self.feeder.count_wanted()):
                    await wait_until(self.feeder.wanted, self.feeder.wanted_at)
                number += 1
                try:
                    await self._ask(number, slots)
                except Exception as error:
                    if is_final(error):
                        raise
                    log.warning("no work for now: %s", error)
                    # Whatever it was granted, nothing of it is held here.
                    self.holdings.take((), number)
                    await asyncio.sleep(ERROR_PAUSE_SECONDS)
        finally:
            # The next heartbeat says that what it may be granted is not held.
            self.holdings.take((), number)

    async def _ask(self, number: int, slots: int) -> None:
        request = LeaseRequest(
            worker=self.worker,
            number=number,
            free_slots=slots,
            wait_seconds=LEASE_WAIT_SECONDS,
            known_jobs=self.holdings.known_jobs(),
        )
        try:
            grant = await self.jobs.call(JobQueueApi.lease, request)
        except UnknownWorkerError:  # the coordinator was restarted
            await self.register(self.jobs)
        else:
            self.holdings.take(grant.leases, number)
            self.intake.take(grant.leases)
