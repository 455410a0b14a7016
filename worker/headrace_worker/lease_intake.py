"""What becomes of leases that have come: batches for the pool, or outcomes that say why not.

    leaser ─ take ─► LeaseIntake ─────────────────────────► Pool.submit
                        └─ waiting for data ─► fetch ───────┘

Whatever is wrong with a lease is that of its tasks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import HeadraceError
from headrace_wire.messages import Lease
from headrace_worker.data import DataStore, read_needs
from headrace_worker.holdings import Holdings
from headrace_worker.leases import is_tellable, list_missing, make_batch, refuse_lease
from headrace_worker.pool.batch import Batch, Event, Returned

log = logging.getLogger(__name__)


class LeaseIntake:
    """``submit`` passes a batch to the pool, and ``add_events`` has outcomes reported.

    ``on_fetched`` is called when a lease was taken up whose data had to be fetched.
    """

    def __init__(
        self,
        jobs: AsyncCaller[JobQueueApi],
        *,
        holdings: Holdings,
        data: DataStore,
        submit: Callable[[Batch], None],
        add_events: Callable[[Sequence[Event]], None],
        on_fetched: Callable[[], None],
    ) -> None:
        self._jobs = jobs
        self._holdings = holdings
        self._submit = submit
        self._add_events = add_events
        self._on_fetched = on_fetched
        self._data = data
        #: Leases that wait for data.
        self._incomplete: deque[Lease] = deque()
        self._changed = asyncio.Event()

    def take(self, leases: Sequence[Lease]) -> None:
        """Take leases up, at once or as soon as the data that they need is here."""
        for lease in leases:
            try:
                missing = list_missing(lease, self._find_parameters(lease), self._data)
            except Exception as error:  # noqa: BLE001 - as in _take_up
                self._refuse(lease, error)
                continue
            if missing:
                self._incomplete.append(lease)
                self._changed.set()
            else:
                self._take_up(lease)

    async def fetch(self) -> None:
        """Fetch the data that leases need, and take them up, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._incomplete:
                await self._complete(self._incomplete[0])

    def cancel(self, job: str) -> None:
        """Forget the leases of a job that still wait for data."""
        self._incomplete = deque(lease for lease in self._incomplete if lease.job != job)

    def hand_back(self) -> list[Returned]:
        """Give up the leases that still wait for data."""
        returned = [
            Returned(lease.id, lease.job, lease.start, lease.stop) for lease in self._incomplete
        ]
        self._incomplete.clear()
        return returned

    def expire_data(self) -> None:
        """Let go of the data that no lease has needed for a while."""
        self._data.expire(self._list_needed())

    async def _complete(self, lease: Lease) -> None:
        problem: Exception | None = None
        try:
            for source in list_missing(lease, self._find_parameters(lease), self._data):
                content = await self._jobs.call(JobQueueApi.read, source)
                self._data.put(source, content)
        except (HeadraceError, OSError, ValueError) as error:
            problem = error
        if not self._incomplete or self._incomplete[0] is not lease:
            return  # cancelled or handed back meanwhile
        self._incomplete.popleft()
        if problem:
            self._refuse(lease, problem)
        else:
            self._take_up(lease)
            self._on_fetched()

    def _find_parameters(self, lease: Lease) -> bytes | None:
        job = self._holdings.find_job(lease.job)
        return job.parameters if job else None

    def _take_up(self, lease: Lease) -> None:
        try:
            self._submit(make_batch(lease, self._find_parameters(lease), self._data))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a lease is its tasks' outcome
            self._refuse(lease, error)

    def _refuse(self, lease: Lease, error: Exception) -> None:
        """Have the tasks of a lease fail that could not be taken up, and hand back the others."""
        log.warning("job %s: %s", lease.job, error)
        self._add_events(refuse_lease(lease, error))
        if not is_tellable(lease):
            self._holdings.release(lease.id, lease.stop - lease.start)

    def _list_needed(self) -> set[str]:
        """List the jobs whose data is needed for what is held."""
        needed: set[str] = set()
        for job_id in {run.job for run in self._holdings.runs()}:
            job = self._holdings.find_job(job_id)
            if job and job.parameters is not None:
                with suppress(ValueError):
                    needed.update(source for _, source in read_needs(job_id, job.parameters).data)
        return needed
