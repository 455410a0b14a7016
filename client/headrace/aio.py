"""A cluster for programs with an event loop: what takes its time is awaited.

No thread waits for it, and a wait ends when its task is cancelled. Threads have a part in what
works instead of waiting: reading files, encoding arguments, writing results.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from headrace.async_job import AsyncJob
from headrace.async_sharing import AsyncSharedFactory
from headrace.batches import gather_inputs
from headrace.coordinator_engine import PATIENCE_SECONDS
from headrace.data_jobs import make_plan_specs
from headrace.place import find_coordinator
from headrace.submission import (
    SubmitOptions,
    check_job_id,
    cut_for_slots,
)
from headrace_services.service import Plan
from headrace_wire.api import JOBS_PER_PAGE, JobQueueApi
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, SpoolFullError, UnreachableError, UsageError
from headrace_wire.manager import QueueManager
from headrace_wire.timeouts import Limit

if TYPE_CHECKING:
    from headrace_services.calls import CallOptions
    from headrace_services.calls.plan import Function
    from headrace_wire.address import Address
    from headrace_wire.async_caller import AsyncCaller
    from headrace_wire.messages import JobStatus, WorkerStatus

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds for telling the coordinator to forget a job whose submission went wrong.
FORGET_SECONDS = 1.0


class AsyncCluster(AsyncSharedFactory):
    """A cluster to be awaited: ``async with AsyncCluster("host:7333") as cluster``. See Cluster.

    Used in one event loop. Or ``await cluster.open()`` and ``await cluster.close()``.
    """

    def __init__(
        self,
        address: str | Address,
        key: bytes | None = None,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        key_file: str | Path | None = None,
    ) -> None:
        self._address = address
        self._key = key
        self._key_file = key_file
        self._on_lost = on_lost
        self._patience_seconds = patience_seconds
        self._manager: QueueManager | None = None

    async def open(self) -> Self:
        """Connect. Raises UsageError, KeyRefusedError, and UnreachableError when nothing answers
        at the address.
        """
        address, key = await asyncio.to_thread(
            find_coordinator, self._address, self._key, self._key_file
        )
        first = QueueManager(address, key).async_jobs()
        try:
            await first.call(JobQueueApi.info)
        finally:
            first.close()
        self._manager = QueueManager(
            address, key, patience_seconds=self._patience_seconds, on_lost=self._on_lost
        )
        self._jobs = self._manager.async_jobs()
        self._results = self._manager.async_results()
        return self

    async def close(self) -> None:
        """Close all connections; jobs go on, and shared state stays.

        Calls under way and later ones raise ClosedError.
        """
        if self._manager:
            await self._close_shared()
            self._jobs.close(for_good=True)
            self._results.close(for_good=True)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _find_manager(self) -> QueueManager:
        if self._manager is None:
            raise UsageError(
                "the cluster is not open: write `async with AsyncCluster(...) as cluster`, or "
                "`await cluster.open()`"
            )
        return self._manager

    def _find_jobs(self) -> AsyncCaller[JobQueueApi]:
        self._find_manager()
        return self._jobs

    async def submit(
        self,
        service: str,
        plan: Plan,
        options: SubmitOptions | None = None,
        on_upload: Callable[[int], None] | None = None,
        on_held: Callable[[str], None] | None = None,
    ) -> AsyncJob:
        """Hand a planned job over; it is there entirely when this returns, or not at all.

        Its inputs are made in a thread. See ``Cluster.submit``.
        """
        jobs = self._find_jobs()
        if plan.cut:
            workers = await self.workers()
            plan = await asyncio.to_thread(cut_for_slots, service, plan, workers)
        spec, data = make_plan_specs(service, plan, options)
        try:
            status = await _insist(on_held, jobs, JobQueueApi.submit, spec)
            for kept, packed in data:
                await _insist(on_held, jobs, JobQueueApi.submit, kept)
                await _insist(on_held, jobs, JobQueueApi.put, kept.id, 0, packed)
                await jobs.call(JobQueueApi.seal, kept.id, 1)
            if plan.inputs is not None:
                status = await self._upload(spec.id, plan.inputs, on_upload, on_held)
        except UnreachableError:
            raise  # so it cannot be told to forget the job, either
        except BaseException:
            # What went wrong first is told, and soon.
            with contextlib.suppress(HeadraceError), Limit.after(FORGET_SECONDS).applied():
                await jobs.call(JobQueueApi.delete, spec.id)
            raise
        return AsyncJob(jobs, self._results, status)

    async def map(
        self,
        function: Function,
        iterable: Iterable[Any],
        options: SubmitOptions | None = None,
        *,
        call_options: CallOptions | None = None,
    ) -> AsyncJob:
        """Submit a job that calls a function with each argument; see ``Cluster.map``."""
        from headrace_services.calls import plan_map  # noqa: PLC0415 - quick start

        self._find_jobs()
        plan = await asyncio.to_thread(plan_map, function, iterable, call_options)
        return await self.submit("calls", plan, options)

    async def job(self, job_id: str) -> AsyncJob:
        """A job by its id. Raises UnknownJobError."""
        jobs = self._find_jobs()
        status = await jobs.call(JobQueueApi.status, check_job_id(job_id))
        return AsyncJob(jobs, self._results, status)

    async def jobs(self, *, data: bool = False) -> tuple[JobStatus, ...]:
        """Every job, the newest first, without its parameters; see ``Cluster.jobs``."""
        jobs = self._find_jobs()
        found: list[JobStatus] = []
        while page := await jobs.call(JobQueueApi.jobs, found[-1].number if found else 0, data):
            found += page
            if len(page) < JOBS_PER_PAGE:
                break
        return tuple(found)

    async def workers(self) -> tuple[WorkerStatus, ...]:
        """Every connected worker."""
        return await self._find_jobs().call(JobQueueApi.workers)

    async def _upload(
        self,
        job_id: str,
        inputs: Iterable[bytes],
        on_upload: Callable[[int], None] | None,
        on_held: Callable[[str], None] | None,
    ) -> JobStatus:
        start = 0
        batches = gather_inputs(inputs)
        while batch := await asyncio.to_thread(next, batches, None):
            packed = pack_batch(batch)
            start = await _insist(on_held, self._jobs, JobQueueApi.put, job_id, start, packed)
            if on_upload:
                on_upload(start)
        return await self._jobs.call(JobQueueApi.seal, job_id, start)


async def _insist(
    on_held: Callable[[str], None] | None,
    jobs: AsyncCaller[JobQueueApi],
    method: Callable[Concatenate[JobQueueApi, P], T],
    *arguments: P.args,
    **named: P.kwargs,
) -> T:
    """Repeat a call until the coordinator's spool has room for it; the coordinator waits."""
    while True:
        try:
            return await jobs.call(method, *arguments, **named)
        except SpoolFullError as error:
            if on_held:
                on_held(error.message)
