"""One job, for programs with an event loop: each wait is awaited, and ends when it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from headrace.job_base import (
    FAILURES_PER_PAGE,
    FIRST_LOOK_SECONDS,
    JobBase,
    make_target,
    read_result,
    split_indices,
)
from headrace.missing import Received, describe_missing
from headrace_wire.api import MAX_WAIT_SECONDS, JobQueueApi, ResultQueueApi
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import (
    JobIncompleteError,
    OutputError,
    TaskFailedError,
    UnreachableError,
)
from headrace_wire.timeouts import FOR_EVER, Limit

if TYPE_CHECKING:
    from headrace_services.service import Gathered
    from headrace_wire.async_caller import AsyncCaller
    from headrace_wire.messages import Fetched, FetchRequest, JobStatus, TaskFailure

#: A larger value is opened in a thread, for it takes a while.
LARGE_BYTES = 1 << 20

#: Bytes of values that are kept in memory until a service puts them together; more go to a file.
SPOOL_BYTES = 64 << 20

#: How a run of values is kept: the index of the first one, and the bytes of all.
_RUN = struct.Struct("<QQ")


class AsyncJob(JobBase):
    """A job to be awaited. ``status`` is how it stood when it was last looked at. See Job."""

    def __init__(
        self,
        jobs: AsyncCaller[JobQueueApi],
        results: AsyncCaller[ResultQueueApi],
        status: JobStatus,
    ) -> None:
        super().__init__(status)
        self._jobs = jobs
        self._results = results

    async def refresh(self) -> JobStatus:
        """Look at the job again."""
        self.status = await self._jobs.call(JobQueueApi.status, self.id)
        return self.status

    async def wait(self, timeout: float | None = None) -> JobStatus:  # noqa: ASYNC109 - as in Job
        """Wait until it has ended. Returns how it stands then. Raises WaitTimedOutError."""
        limit = Limit.after(timeout)
        while not self.is_over:
            await self._fetch(self._ask_for_end(), limit)
            if limit.is_over and not self.is_over:
                raise self._time_out()
        return self.status

    async def values(
        self,
        *,
        ordered: bool,
        on_progress: Callable[[JobStatus], None] | None = None,
        limit: Limit = FOR_EVER,
        received: Received | None = None,
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Encoded values with their indices; see ``Job.values``."""
        async for start, run in self._read_runs(
            ordered=ordered, on_progress=on_progress, limit=limit, received=received
        ):
            for index, value in enumerate(unpack_batch(run), start):
                yield index, value

    async def _read_runs(
        self,
        *,
        ordered: bool,
        on_progress: Callable[[JobStatus], None] | None = None,
        limit: Limit = FOR_EVER,
        received: Received | None = None,
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Batches of values, each with the index of the first one, until the job ends."""
        cursor, seen, wait_seconds = 0, 0, FIRST_LOOK_SECONDS
        while True:
            request = self._ask_for_values(cursor, seen, wait_seconds, ordered=ordered)
            wait_seconds = MAX_WAIT_SECONDS
            fetched = await self._fetch(request, limit)
            seen = fetched.status.done + fetched.status.failed
            if on_progress:
                on_progress(self.status)
            for run in fetched.runs:
                if received:
                    received.add(run.start, run.start + len(unpack_batch(run.values)))
                yield run.start, run.values
            cursor = fetched.cursor
            if fetched.complete:
                return
            if limit.is_over and not fetched.runs:
                raise self._time_out()

    async def _fetch(self, request: FetchRequest, limit: Limit) -> Fetched:
        """Look at it, waiting for news until the limit. Raises WaitTimedOutError."""
        try:
            with limit.applied():
                fetched = await self._results.call(ResultQueueApi.fetch, request)
        except UnreachableError as error:
            if limit.is_over:
                raise self._time_out(f"; {error.message}") from error
            raise
        return self._take_status(fetched)

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
        limit = Limit.after(timeout)
        read = self._find_reader()
        received = Received()
        async for index, value in self.values(ordered=ordered, limit=limit, received=received):
            if len(value) > LARGE_BYTES:
                yield index, await asyncio.to_thread(self._open, read, index, value)
            else:
                yield index, self._open(read, index, value)
        if gaps := await self._find_gaps(received):
            raise gaps

    async def _find_gaps(
        self, received: Received, *, all_read: bool = True
    ) -> TaskFailedError | JobIncompleteError | None:
        """What to raise when values of this job, which is over, are missing."""
        missing = describe_missing(self.status, received, all_read=all_read)
        if not missing:
            return None
        page: tuple[TaskFailure, ...] = ()
        if self.status.failed:
            page = await self._results.call(ResultQueueApi.failures, self.id, 0, 1)
        return self._explain_gaps(missing, page[0] if page else None)

    async def result(self, path: str | Path | None = None, file_format: str | None = None) -> Any:
        """Its results put together as its service does it; see ``Job.result``.

        They are put together when all have come, in a thread, for services write files. If this is
        cancelled, the thread ends with the value at which it is, and leaves no half of a file.
        """
        received = Received()
        target = make_target(path, file_format)
        with contextlib.ExitStack() as cleanup:
            spool = cleanup.enter_context(_Spool())
            async for start, run in self._read_runs(
                ordered=self._gathers_in_order(), received=received
            ):
                await asyncio.to_thread(spool.add, start, run)
            gathering = asyncio.create_task(asyncio.to_thread(self.gather, spool.read(), target))
            try:
                gathered = await asyncio.shield(gathering)
            except asyncio.CancelledError:
                spool.is_cancelled = True
                cleanup.pop_all()  # the thread still reads it
                gathering.add_done_callback(spool.close_after)
                raise
            except OutputError as error:
                gaps = await self._find_gaps(received, all_read=False)
                if gaps:  # which may be the reason, or will be the next thing to say
                    raise type(gaps)(f"{error.message}; {gaps.message}") from error
                raise
        if gaps := await self._find_gaps(received):
            raise gaps
        return read_result(gathered, target)

    async def failures(self) -> list[TaskFailure]:
        """Its failed tasks in index order."""
        found: list[TaskFailure] = []
        start = 0
        while page := await self._results.call(
            ResultQueueApi.failures, self.id, start, FAILURES_PER_PAGE
        ):
            found += page
            start = page[-1].index + 1
        return found

    async def acknowledge(self) -> None:
        """Say that the results are safe: the coordinator drops them."""
        await self._results.call(ResultQueueApi.acknowledge, self.id)

    async def cancel(self) -> JobStatus:
        """Stop the job; what is done stays done."""
        self.status = await self._jobs.call(JobQueueApi.cancel, self.id)
        return self.status

    async def retry(self) -> JobStatus:
        """Run its failed and cancelled tasks again."""
        self.status = await self._jobs.call(JobQueueApi.retry, self.id)
        return self.status

    async def replay(self, indices: Iterable[int] = ()) -> JobStatus:
        """Run these dead tasks again, or all of them; the others are left as they are."""
        for some in split_indices(indices):
            self.status = await self._jobs.call(JobQueueApi.replay, self.id, some)
        return self.status

    async def delete(self) -> None:
        """Forget it."""
        await self._jobs.call(JobQueueApi.delete, self.id)


class _SpoolCancelledError(BaseException):
    """Nobody wants the result any more; no service may take it for an error in a value."""


class _Spool:
    """Batches of values, kept until all have come."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - see __exit__
        self.is_cancelled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def close_after(self, gathering: asyncio.Task[Gathered]) -> None:
        """Close it: the thread that read it has ended, and nobody asks any more with what."""
        gathering.exception()
        self._file.close()

    def add(self, start: int, run: bytes) -> None:
        """Keep a batch. Raises OutputError when there is no room for it."""
        try:
            self._file.write(_RUN.pack(start, len(run)))
            self._file.write(run)
        except OSError as error:
            raise OutputError(
                f"results cannot be kept in {tempfile.gettempdir()}: {error.strerror or error}"
            ) from error

    def read(self) -> Iterator[tuple[int, bytes]]:
        """The values with their indices, in the order in which they came."""
        self._file.seek(0)
        while header := self._file.read(_RUN.size):
            start, size = _RUN.unpack(header)
            for index, value in enumerate(unpack_batch(self._file.read(size)), start):
                if self.is_cancelled:
                    raise _SpoolCancelledError
                yield index, value
