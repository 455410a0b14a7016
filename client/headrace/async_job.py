"""One job, for programs with an event loop: a method that waits is awaited and can be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from headrace.job_base import FAILURES_PER_PAGE, AwaitedJob, make_target, read_result
from headrace.job_log import read_pages
from headrace.missing import Received
from headrace.progress import PAUSE_SECONDS, Progress
from headrace_wire.api import ResultQueueApi
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import OutputError
from headrace_wire.open_files import explain_system_error
from headrace_wire.timeouts import FOR_EVER, Limit

if TYPE_CHECKING:
    from headrace_services.service import Gathered
    from headrace_wire.messages.failures import TaskFailure
    from headrace_wire.messages.jobs import JobStatus
    from headrace_wire.messages.logs import LogLine

#: Values with more bytes are decoded in a thread, because that takes a while.
LARGE_BYTES = 1 << 20

#: How many bytes of values are kept in memory until a service combines them. More are written to a
#: file.
SPOOL_BYTES = 64 << 20

#: The header of a stored run of values: the index of the first one, and the size of all in bytes.
_RUN = struct.Struct("<QQ")


class AsyncJob(AwaitedJob):
    """A job with methods to await. ``status`` is the status in the coordinator's last answer. See
    Job.
    """

    @property
    def progress(self) -> Progress[AsyncIterator[JobStatus]]:
        """The fraction of the job's tasks that have an outcome, from 0 to 1, as last known.

        It can also be called: ``async for status in job.progress():``; see ``Job.progress``.
        """
        return Progress(self._measure_progress(), self._watch_awaited)

    def _watch_awaited(self, timeout: float | None) -> AsyncIterator[JobStatus]:
        return self._read_news(Limit.after(timeout))

    async def _read_news(self, limit: Limit) -> AsyncIterator[JobStatus]:
        async for status in self._watch(limit):
            yield status
            if not self.is_over:
                await asyncio.sleep(limit.measure_left(PAUSE_SECONDS))

    async def values(
        self,
        *,
        ordered: bool,
        on_progress: Callable[[JobStatus], None] | None = None,
        limit: Limit = FOR_EVER,
        received: Received | None = None,
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Iterate over encoded values with their indices; see ``Job.values``."""
        async for start, run in self._read_runs(
            ordered=ordered, on_progress=on_progress, limit=limit, received=received
        ):
            for index, value in enumerate(unpack_batch(run), start):
                yield index, value

    async def results(
        self,
        *,
        ordered: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Job
    ) -> AsyncIterator[Any]:
        """Iterate over the values of the job's tasks, in order or as they arrive; see
        ``Job.results``.
        """
        async for _, value in self.indexed_results(ordered=ordered, timeout=timeout):
            yield value

    async def indexed_results(
        self,
        *,
        ordered: bool = True,
        timeout: float | None = None,  # noqa: ASYNC109 - as in Job
    ) -> AsyncIterator[tuple[int, Any]]:
        """Do what ``results`` does, with the index of its task before each value."""
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

    async def result(
        self,
        path: str | Path | None = None,
        file_format: str | None = None,
        *,
        overwrite: bool = False,
    ) -> Any:
        """Return the results combined as the job's service does it; see ``Job.result``.

        They are combined in a thread when all have arrived, because services write files. If this
        is cancelled, the thread ends after the current value and leaves no incomplete file.
        """
        received = Received()
        target = make_target(path, file_format, overwrite=overwrite)
        with contextlib.ExitStack() as cleanup:
            spool = cleanup.enter_context(_Spool())
            async for start, run in self._read_runs(
                ordered=self._gathers_in_order(), limit=FOR_EVER, received=received
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
                if gaps:  # missing values may be the reason for the error
                    raise type(gaps)(f"{error.message}; {gaps.message}") from error
                raise
        if gaps := await self._find_gaps(received):
            raise gaps
        return read_result(gathered, target)

    async def failures(self) -> list[TaskFailure]:
        """Iterate over the failed tasks in index order."""
        found: list[TaskFailure] = []
        start = 0
        while page := await self._results.call(
            ResultQueueApi.failures, self.id, start, FAILURES_PER_PAGE
        ):
            found += page
            start = page[-1].index + 1
        return found

    async def logs(self, *, follow: bool = False) -> AsyncIterator[LogLine]:
        """Iterate over the lines that the job's tasks printed and logged; see ``Job.logs``."""
        async for page in read_pages(self._results, self.id, follow=follow):
            for line in page.lines:
                yield line


class _SpoolCancelledError(BaseException):
    """The result was cancelled. It is not an Exception, so no service takes it for a bad value."""


class _Spool:
    """Batches of values, kept until all have arrived."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - see __exit__
        self.is_cancelled = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def close_after(self, gathering: asyncio.Task[Gathered]) -> None:
        """Close the file after the thread that read it has ended, whatever its result."""
        gathering.exception()
        self._file.close()

    def add(self, start: int, run: bytes) -> None:
        """Store a batch. Raises OutputError if there is no space for it."""
        try:
            self._file.write(_RUN.pack(start, len(run)))
            self._file.write(run)
        except OSError as error:
            raise OutputError(
                f"results cannot be kept in {tempfile.gettempdir()}: {explain_system_error(error)}"
            ) from error

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Iterate over the values with their indices, in the order in which they arrived."""
        self._file.seek(0)
        while header := self._file.read(_RUN.size):
            start, size = _RUN.unpack(header)
            for index, value in enumerate(unpack_batch(self._file.read(size)), start):
                if self.is_cancelled:
                    raise _SpoolCancelledError
                yield index, value
