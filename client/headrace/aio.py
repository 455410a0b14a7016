"""The same for programs with an event loop: ``await`` instead of waiting.

Each wait takes a thread of the loop's default executor, as ``asyncio.to_thread`` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headrace.cluster import Cluster
from headrace.job import Job
from headrace.submission import SubmitOptions
from headrace_services.service import Plan
from headrace_wire.messages import JobStatus, TaskFailure, WorkerStatus

if TYPE_CHECKING:
    from headrace_services.calls import CallOptions
    from headrace_services.calls.plan import Function

#: Stands for an iterator that is over.
_OVER: Any = object()


class AsyncCluster:
    """A cluster to be awaited: ``async with AsyncCluster("host:7333") as cluster``. See Cluster."""

    def __init__(self, address: str, *, key_file: str | Path | None = None) -> None:
        self._address = address
        self._key_file = key_file

    async def __aenter__(self) -> Self:
        self._cluster = await asyncio.to_thread(Cluster, self._address, key_file=self._key_file)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._cluster.close)

    async def submit(
        self, service: str, plan: Plan, options: SubmitOptions | None = None
    ) -> AsyncJob:
        """Hand a planned job over."""
        return AsyncJob(await asyncio.to_thread(self._cluster.submit, service, plan, options))

    async def map(
        self,
        function: Function,
        iterable: Iterable[Any],
        options: SubmitOptions | None = None,
        *,
        call_options: CallOptions | None = None,
    ) -> AsyncJob:
        """Submit a job that calls a function with each argument."""
        job = await asyncio.to_thread(
            self._cluster.map, function, iterable, options, call_options=call_options
        )
        return AsyncJob(job)

    async def job(self, job_id: str) -> AsyncJob:
        """A job by its id. Raises UnknownJobError."""
        return AsyncJob(await asyncio.to_thread(self._cluster.job, job_id))

    async def jobs(self, *, data: bool = False) -> tuple[JobStatus, ...]:
        """Every job, the newest first; with ``data`` also those that keep data for others."""
        return await asyncio.to_thread(self._cluster.jobs, data=data)

    async def workers(self) -> tuple[WorkerStatus, ...]:
        """Every connected worker."""
        return await asyncio.to_thread(self._cluster.workers)


class AsyncJob:
    """A job to be awaited. See Job."""

    def __init__(self, job: Job) -> None:
        self._job = job

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def status(self) -> JobStatus:
        """How it stood when it was last looked at."""
        return self._job.status

    @property
    def progress(self) -> float:
        """The part of its tasks that have an outcome, from 0 to 1."""
        return self._job.progress

    async def refresh(self) -> JobStatus:
        """Look at it again."""
        return await asyncio.to_thread(self._job.refresh)

    async def wait(self, timeout: float | None = None) -> JobStatus:  # noqa: ASYNC109 - as in Job
        """Wait until it has ended. Raises WaitTimedOutError."""
        return await asyncio.to_thread(self._job.wait, timeout)

    async def results(
        self,
        *,
        ordered: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Job
    ) -> AsyncIterator[Any]:
        """The values of its tasks, in order or as they come; see ``Job.results``."""
        async for _, value in self.indexed_results(ordered=ordered, timeout=timeout):
            yield value

    async def indexed_results(
        self,
        *,
        ordered: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Job
    ) -> AsyncIterator[tuple[int, Any]]:
        """The same, each value with the index of its task."""
        values: Iterator[Any] = self._job.indexed_results(ordered=ordered, timeout=timeout)
        while (value := await asyncio.to_thread(next, values, _OVER)) is not _OVER:
            yield value

    async def result(self, path: str | Path | None = None, file_format: str | None = None) -> Any:
        """Its results put together as its service does it."""
        return await asyncio.to_thread(self._job.result, path, file_format)

    async def failures(self) -> list[TaskFailure]:
        """Its failed tasks."""
        return await asyncio.to_thread(lambda: list(self._job.failures()))

    async def cancel(self) -> JobStatus:
        """Stop it; what is done stays done."""
        return await asyncio.to_thread(self._job.cancel)

    async def retry(self) -> JobStatus:
        """Run its failed and cancelled tasks again."""
        return await asyncio.to_thread(self._job.retry)

    async def delete(self) -> None:
        """Forget it."""
        await asyncio.to_thread(self._job.delete)
