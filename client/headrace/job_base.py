"""A job's status and values, for programs that block a thread and for those with an event loop."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from headrace.call_size import CallSize, measure_distance
from headrace.missing import Received, describe_missing
from headrace.progress import NEWS_SECONDS
from headrace.submission import describe_span
from headrace.written_files import WrittenFiles
from headrace_services.registry import load_service
from headrace_services.service import Gathered, Outputs, Parameters, Target
from headrace_wire.api import MAX_WAIT_SECONDS, JobQueueApi, ResultQueueApi
from headrace_wire.batch import count_batch
from headrace_wire.bounds import MAX_NAMED_TASKS, MAX_TASK_RUNS, MAX_TASKS, Index, check_value
from headrace_wire.encoding import unpack
from headrace_wire.errors import (
    OTHER_KEY,
    HeadraceError,
    JobIncompleteError,
    NotAllowedError,
    OutputError,
    TaskFailedError,
    UnreachableError,
    UsageError,
    WaitTimedOutError,
)
from headrace_wire.failures import describe_error
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroups, TaskRuns, TaskTimes
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.results import Fetched, FetchRequest
from headrace_wire.timeouts import Limit
from headrace_wire.tracing import open_span, write_trace
from headrace_wire.words import count

if TYPE_CHECKING:
    from headrace.blocking import BlockingCaller
    from headrace_wire.async_caller import AsyncCaller

#: Bytes of values requested at a time: normally, and at most if the coordinator is far away.
FETCH_BYTES = 4 << 20
FAR_FETCH_BYTES = 32 << 20

#: Failed tasks requested at a time.
FAILURES_PER_PAGE = 1000

#: Seconds after which the first request about a new job is answered even if nothing has changed.
FIRST_LOOK_SECONDS = 1.0

#: A cursor behind all results, for requests that only ask for a job's status.
NOTHING_TO_FETCH = (1 << 63) - 1


class JobBase:
    """One job of a cluster. ``status`` is its status in the coordinator's last answer.

    Methods that call the coordinator are coroutines; see ``headrace.blocking``.
    """

    def __init__(
        self,
        jobs: AsyncCaller[JobQueueApi] | BlockingCaller[JobQueueApi],
        results: AsyncCaller[ResultQueueApi] | BlockingCaller[ResultQueueApi],
        status: JobStatus,
    ) -> None:
        self._jobs = jobs
        self._results = results
        self.status = status
        #: The files that the job writes on this side, if it was submitted by this program.
        self.outputs: Outputs | None = None
        #: Whether its values may be unpickled: everything that runs it belongs to this program.
        self.opens_pickles = False
        #: The tracing span in which it was submitted, if that was by this program.
        self.trace = ""

    def __repr__(self) -> str:
        status = self.status
        work = f"{status.service} {status.function or status.operation}"
        return (
            f"<{type(self).__name__} {status.id} {status.state}: {work}, "
            f"{status.done:,} of {count(status.tasks, 'task')} done>"
        )

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows: the last known status."""
        return self.status._repr_html_()  # pyright: ignore[reportPrivateUsage] # notebooks' name

    @property
    def id(self) -> str:
        """The job's id."""
        return self.status.id

    @property
    def parameters(self) -> Parameters:
        """Return the parameters with which the job's service planned it.

        Raises OutputError if they are not parameters of a service, and NotAllowedError for the
        role ``observer``.
        """
        if not self.status.parameters and not self.status.expired:
            raise NotAllowedError(
                f"the parameters of job {self.id} are for clients and administrators; {OTHER_KEY}"
            )
        try:
            parameters: object = unpack(self.status.parameters)
        except ValueError:
            parameters = None
        if not isinstance(parameters, dict):
            raise OutputError(f"the parameters of job {self.id} make no sense: submit it again")
        return cast("Parameters", parameters)

    def gather(self, values: Iterator[tuple[int, bytes]], target: Target) -> Gathered:
        """Combine the values as the job's service does.

        Raises OutputError, and the errors of ``values``. Parameters and values may come from any
        holder of the key, so an exception that a service raises for invalid ones is an OutputError,
        too. File names are taken from the plan only if the job was submitted by this program; for
        other jobs, ``target.path`` says where files may be written.
        """
        service = load_service(self.status.service)
        try:
            with WrittenFiles() as made:
                aimed = replace(target, outputs=target.outputs or self.outputs, made=made)
                return service.gather(self.status.operation, self.parameters, values, aimed)
        except HeadraceError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise OutputError(
                f"the results of job {self.id} cannot be put together by the service "
                f"{self.status.service!r}: {type(error).__name__}: {error}"
            ) from error

    def _measure_progress(self) -> float:
        finished = self.status.done + self.status.failed + self.status.cancelled
        return finished / self.status.tasks if self.status.tasks else float(self.is_over)

    @property
    def is_over(self) -> bool:
        """Whether the job has ended, according to the last known status."""
        return self.status.finished_at is not None

    def _gathers_in_order(self) -> bool:
        return load_service(self.status.service).is_ordered(self.status.operation)

    def _open_wait(self, *, is_current: bool = True) -> AbstractContextManager[object]:
        """Open a tracing span for the wait, within the current span or that of the submission."""
        parent = "" if write_trace() else self.trace
        about = describe_span(self.status)
        return open_span("headrace wait", "CLIENT", about, parent=parent, is_current=is_current)

    async def _read_runs(
        self,
        *,
        ordered: bool,
        limit: Limit,
        received: Received | None,
        on_progress: Callable[[JobStatus], None] | None = None,
    ) -> AsyncGenerator[tuple[int, bytes]]:
        """Iterate over batches of values, each with the index of its first one, until the job ends.

        See ``Job.values``.
        """
        with self._open_wait(is_current=False):
            cursor, seen, wait_seconds = 0, 0, FIRST_LOOK_SECONDS
            call_size = CallSize(
                FETCH_BYTES, FAR_FETCH_BYTES, partial(measure_distance, self._jobs)
            )
            while True:
                request = FetchRequest(
                    job=self.id,
                    cursor=cursor,
                    ordered=ordered,
                    max_bytes=call_size.size_bytes,
                    wait_seconds=wait_seconds,
                    seen=seen,
                    known=True,
                )
                wait_seconds = MAX_WAIT_SECONDS
                begun = time.monotonic()
                fetched = await self._fetch(request, limit)
                taken = time.monotonic() - begun
                seen = fetched.status.done + fetched.status.failed
                if on_progress:
                    on_progress(self.status)
                for run in fetched.runs:
                    if received:
                        received.add(run.start, run.start + count_batch(run.values))
                    yield run.start, run.values
                cursor = fetched.cursor
                if fetched.complete:
                    return
                if limit.is_over and not fetched.runs:
                    raise self._time_out()
                with contextlib.suppress(UnreachableError), limit.applied():  # the next one tells
                    await call_size.note(sum(len(run.values) for run in fetched.runs), taken)

    async def _watch(self, limit: Limit) -> AsyncGenerator[JobStatus]:
        """Iterate over the job's status, whenever it changes, until it ends. See ``Progress``."""
        while True:
            request = FetchRequest(
                job=self.id,
                cursor=NOTHING_TO_FETCH,
                ordered=False,
                max_bytes=0,
                wait_seconds=0.0 if self.is_over else NEWS_SECONDS,
                seen=self.status.done + self.status.failed,
                known=True,
            )
            await self._fetch(request, limit)
            yield self.status
            if self.is_over:
                return
            if limit.is_over:
                raise self._time_out()

    async def _fetch(self, request: FetchRequest, limit: Limit) -> Fetched:
        """Send a request that waits for news, until the limit. Raises WaitTimedOutError."""
        try:
            with limit.applied():
                fetched = await self._results.call(ResultQueueApi.fetch, request)
        except UnreachableError as error:
            if limit.is_over:
                raise self._time_out(f"; {error.message}") from error
            raise
        self.status = replace(fetched.status, parameters=self.status.parameters)
        return fetched

    def _time_out(self, why: str = "") -> WaitTimedOutError:
        return WaitTimedOutError(f"the wait was over before job {self.id} was{why}")

    def _open(self, read: Callable[[bytes], Any], index: int, value: bytes) -> Any:
        """Decode a value for the program. Raises TaskFailedError."""
        try:
            return read(value)
        except ValueError as error:
            raise TaskFailedError(
                f"the result of task {index} of job {self.id} cannot be opened in this "
                f"program: {error}"
            ) from error

    async def _find_gaps(
        self, received: Received, *, all_read: bool = True
    ) -> TaskFailedError | JobIncompleteError | None:
        """Return the error to raise if values of this job, which has ended, are missing."""
        missing = describe_missing(self.status, received, all_read=all_read)
        if not missing:
            return None
        failures: tuple[TaskFailure, ...] = ()
        if self.status.failed:
            failures = await self._results.call(ResultQueueApi.failures, self.id, 0, 1)
        if not failures:
            return JobIncompleteError(missing)
        first = failures[0]
        return TaskFailedError(
            f"{self.status.failed} of {count(self.status.tasks, 'task')} of job {self.id} "
            f"failed; the first, task {first.index} ({first.summary}): {describe_error(first)}"
            + (f"; {missing}" if self.status.cancelled else "")
        )

    def _find_reader(self) -> Callable[[bytes], Any]:
        if self.status.service != "calls":
            return bytes
        from headrace_services.calls import open_result  # noqa: PLC0415 - quick start

        if self.parameters.get("serializer") == "msgpack":
            return partial(open_result, "msgpack")
        if self.opens_pickles:
            return partial(open_result, "cloudpickle")
        raise UsageError(
            f"the results of job {self.id} are pickled: only the program that submitted it "
            "opens them, with headrace.Pool"
        )


class AwaitedJob(JobBase):
    """The methods of a job that make one call, or wait; see ``headrace.blocking``."""

    async def refresh(self) -> JobStatus:
        """Ask for the job's current status and return it."""
        self.status = await self._jobs.call(JobQueueApi.status, self.id)
        return self.status

    async def wait(self, timeout: float | None = None) -> JobStatus:  # noqa: ASYNC109 - as in Job
        """Wait until the job has ended, and return its status.

        Raises WaitTimedOutError after ``timeout`` seconds, even if the coordinator cannot be
        reached; with 0 the status is checked once.
        """
        limit = Limit.after(timeout)
        if self.is_over:
            return self.status
        with self._open_wait():
            while not self.is_over:
                request = FetchRequest(
                    job=self.id,
                    cursor=NOTHING_TO_FETCH,
                    ordered=False,
                    max_bytes=0,
                    wait_seconds=MAX_WAIT_SECONDS,
                    seen=self.status.done + self.status.failed,
                    known=True,
                )
                await self._fetch(request, limit)
                if limit.is_over and not self.is_over:
                    raise self._time_out()
        return self.status

    async def failure_groups(self) -> FailureGroups:
        """Return a sequence of groups of similar failures, the most frequent first.

        If there are very many failures, only the first ``looked_at`` of them are grouped.
        """
        return await self._results.call(ResultQueueApi.failure_groups, self.id)

    async def task_times(self) -> TaskTimes:
        """Return a histogram of how long attempts at its tasks took."""
        return await self._jobs.call(JobQueueApi.task_times, self.id)

    async def task_runs(
        self, start: int = 0, stop: int | None = None, limit: int = MAX_TASK_RUNS
    ) -> TaskRuns:
        """Return the states of tasks [start, stop), or of all from ``start`` on, as runs.

        If there are more than ``limit`` runs, neighbours are merged, and a merged run has the most
        urgent of their states.
        """
        stop = MAX_TASKS if stop is None else stop
        return await self._jobs.call(JobQueueApi.task_runs, self.id, start, stop, limit)

    async def acknowledge(self) -> None:
        """Acknowledge the results, so that the coordinator deletes them."""
        await self._results.call(ResultQueueApi.acknowledge, self.id)

    async def cancel(self) -> JobStatus:
        """Cancel the job; results of tasks that are done are kept."""
        self.status = await self._jobs.call(JobQueueApi.cancel, self.id)
        return self.status

    async def retry(self) -> JobStatus:
        """Run the job's failed and cancelled tasks again."""
        self.status = await self._jobs.call(JobQueueApi.retry, self.id)
        return self.status

    async def replay(self, indices: Iterable[int] | None = None) -> JobStatus:
        """Run the dead tasks with these indices again, or all dead tasks if ``indices`` is None.

        If ``indices`` is empty, no task is run again.
        """
        for some in [None] if indices is None else split_indices(indices):
            self.status = await self._jobs.call(JobQueueApi.replay, self.id, some)
        return self.status

    async def delete(self) -> None:
        """Delete the job."""
        await self._jobs.call(JobQueueApi.delete, self.id)


def make_target(path: str | Path | None, file_format: str | None, *, overwrite: bool) -> Target:
    """Return the target of a result: a file or folder, or memory if ``path`` is None."""
    place = None if path is None else Path(path)
    return Target(io.BytesIO(), place, file_format, overwrite=overwrite)


def read_result(gathered: Gathered, target: Target) -> Any:
    """Return the combined result, or as bytes what was written to memory.

    Raises OutputError if some results could not be written.
    """
    if gathered.problems:
        more = len(gathered.problems) - 1
        raise OutputError(gathered.problems[0] + (f", and {more} more" if more else ""))
    if gathered.result is None and isinstance(target.stream, io.BytesIO):
        return target.stream.getvalue()
    return gathered.result


def split_indices(indices: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Split task indices into as many as one call may name; yields one empty tuple for none."""
    chosen = tuple(check_value(Index, index, "a task's index") for index in indices)
    for place in range(0, max(1, len(chosen)), MAX_NAMED_TASKS):
        yield chosen[place : place + MAX_NAMED_TASKS]
