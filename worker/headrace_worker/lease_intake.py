"""Turns leases into batches for the pool, or into outcomes that say why they were refused.

    leaser ─ take ─► LeaseIntake ─────────────────────────► Pool.submit
                        └─ waiting for data ─► fetch ───────┘

If a lease is invalid, only its own tasks fail.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import HeadraceError
from headrace_wire.log_format import about
from headrace_wire.messages.leases import Lease
from headrace_wire.messages.reports import ReturnedSpan
from headrace_worker.data import DataStore, read_needs
from headrace_worker.engines.engine import Engine
from headrace_worker.holdings import Holdings
from headrace_worker.leases import is_tellable, list_missing, make_batch, refuse_lease
from headrace_worker.reporter import Reporter

log = logging.getLogger(__name__)

#: The weight of the inputs of one lease in the estimate for the next.
KEPT_SHARE = 0.5


@dataclass
class LeaseIntake:
    """Passes leases on to the pool. Data is fetched through ``jobs``."""

    jobs: AsyncCaller[JobQueueApi]
    pool: Engine
    reporter: Reporter
    holdings: Holdings
    data: DataStore
    #: The mean size of a task's inputs in bytes; recent tasks have more weight.
    mean_bytes: float = 0.0
    #: Leases that wait for data.
    _incomplete: deque[Lease] = field(default_factory=deque[Lease])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, leases: Sequence[Lease]) -> None:
        """Pass leases on, at once or as soon as the data that they need is here."""
        for lease in leases:
            self._measure(lease)
            self._take_up(lease)

    async def fetch(self) -> None:
        """Fetch the data that leases need, and pass these leases on, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._incomplete:
                await self._complete(self._incomplete[0])

    def cancel(self, job: str) -> None:
        """Forget the leases of a job."""
        self.holdings.forget_job(job)
        self._incomplete = deque(lease for lease in self._incomplete if lease.job != job)

    def hand_back(self) -> list[ReturnedSpan]:
        """Give up the leases that still wait for data."""
        returned = [
            ReturnedSpan(lease.id, lease.job, lease.start, lease.stop) for lease in self._incomplete
        ]
        self._incomplete.clear()
        return returned

    def expire_data(self) -> None:
        """Remove data that no lease has needed for a while."""
        needed: set[str] = set()
        for job in {run.job for run in self.holdings.runs()}:
            with suppress(ValueError):
                needs = read_needs(self.holdings.find_parameters(job))
                needed.update(source for _, source in needs.data)
        self.data.expire(needed)

    async def _complete(self, lease: Lease) -> None:
        problem: Exception | None = None
        try:
            for source in list_missing(self.holdings.find_parameters(lease.job), self.data):
                content = await self.jobs.call(JobQueueApi.read, source)
                self.data.put(source, content)
        except (HeadraceError, OSError, ValueError) as error:
            problem = error
        if not self._incomplete or self._incomplete[0] is not lease:
            return  # cancelled or handed back meanwhile
        self._incomplete.popleft()
        if problem:
            self._refuse(lease, problem)
        else:
            self._take_up(lease)

    def _measure(self, lease: Lease) -> None:
        size, tasks = sum(map(len, lease.inputs)), max(1, lease.stop - lease.start)
        self.mean_bytes += KEPT_SHARE * (size / tasks - self.mean_bytes)

    def _take_up(self, lease: Lease) -> None:
        try:
            parameters = self.holdings.find_parameters(lease.job)
            if list_missing(parameters, self.data):
                self._incomplete.append(lease)
                self._changed.set()
            else:
                self.pool.submit(make_batch(lease, parameters, self.data))
        except Exception as error:  # noqa: BLE001 - the tasks of a bad lease fail
            self._refuse(lease, error)

    def _refuse(self, lease: Lease, error: Exception) -> None:
        """Let the tasks of a refused lease fail."""
        log.warning("job %s: %s", lease.job, error, extra=about(lease.job))
        self.reporter.add(refuse_lease(lease, error))
        if not is_tellable(lease):
            self.holdings.release(lease.id, lease.stop - lease.start)
