"""One job, as a program sees it: how it stands, its values, and what can be done with it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from headrace.engine import Engine
from headrace.missing import Received, describe_missing
from headrace_services.registry import load_service
from headrace_services.service import Gathered, Parameters, Target
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.batch import unpack_batch
from headrace_wire.bounds import MAX_NAMED_TASKS, Index, check_value
from headrace_wire.encoding import unpack
from headrace_wire.errors import (
    HeadraceError,
    JobIncompleteError,
    OutputError,
    TaskFailedError,
    UnreachableError,
    UsageError,
    WaitTimedOutError,
)
from headrace_wire.messages import Fetched, FetchRequest, JobStatus, TaskFailure
from headrace_wire.timeouts import FOR_EVER, Limit
from headrace_wire.words import count

#: Bytes of values asked for at a time.
FETCH_BYTES = 4 << 20

#: Seconds after which a new job is looked at for the first time even if there is no news.
FIRST_LOOK_SECONDS = 1.0

#: A place behind all results, for who wants to know how a job stands and no more.
NOTHING_TO_FETCH = (1 << 63) - 1


class Job:
    """One job of a cluster. ``status`` is how it stood when it was last looked at."""

    def __init__(self, engine: Engine, status: JobStatus) -> None:
        self._engine = engine
        self.status = status

    @property
    def id(self) -> str:
        return self.status.id

    @property
    def parameters(self) -> Parameters:
        """What the job is about, as its service planned it.

        Raises OutputError for what no service has planned.
        """
        try:
            parameters: object = unpack(self.status.parameters)
        except ValueError:
            parameters = None
        if not isinstance(parameters, dict):
            raise OutputError(f"the parameters of job {self.id} make no sense: submit it again")
        return cast("Parameters", parameters)

    def gather(self, values: Iterator[tuple[int, bytes]], target: Target) -> Gathered:
        """Have its service put its values together. Raises OutputError, and what ``values`` does.

        Parameters and values may come from anybody who holds the key: what a service makes of
        those that no service has made is an OutputError, too.
        """
        service = load_service(self.status.service)
        try:
            return service.gather(self.status.operation, self.parameters, values, target)
        except HeadraceError:
            raise
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            raise OutputError(
                f"the results of job {self.id} cannot be put together by the service "
                f"{self.status.service!r}: {type(error).__name__}: {error}"
            ) from error

    def refresh(self) -> JobStatus:
        """Look at the job again."""
        self.status = self._engine.jobs.status(self.id)
        return self.status

    def values(
        self,
        *,
        ordered: bool,
        on_progress: Callable[[JobStatus], None] | None = None,
        limit: Limit = FOR_EVER,
        received: Received | None = None,
    ) -> Iterator[tuple[int, bytes]]:
        """Encoded values with their indices, as they come or in index order, until the job ends.

        Failed and cancelled tasks have none: ``received`` takes note of those that have one.
        ``on_progress`` is told whenever there is news, and at least every 20 seconds. Raises
        WaitTimedOutError when the limit is over and there is nothing more yet.
        """
        cursor, seen, wait_seconds = 0, 0, FIRST_LOOK_SECONDS
        while True:
            request = FetchRequest(
                job=self.id,
                cursor=cursor,
                ordered=ordered,
                max_bytes=FETCH_BYTES,
                wait_seconds=wait_seconds,
                seen=seen,
                known=True,
            )
            wait_seconds = MAX_WAIT_SECONDS
            fetched = self._fetch(request, limit)
            seen = fetched.status.done + fetched.status.failed
            if on_progress:
                on_progress(self.status)
            for run in fetched.runs:
                values = unpack_batch(run.values)
                if received:
                    received.add(run.start, run.start + len(values))
                yield from enumerate(values, run.start)
            cursor = fetched.cursor
            if fetched.complete:
                return
            if limit.is_over and not fetched.runs:
                raise self._time_out()

    @property
    def progress(self) -> float:
        """The part of its tasks that have an outcome, from 0 to 1, when it was last looked at."""
        finished = self.status.done + self.status.failed + self.status.cancelled
        return finished / self.status.tasks if self.status.tasks else float(self.is_over)

    @property
    def is_over(self) -> bool:
        """Whether it had ended when it was last looked at."""
        return self.status.finished_at is not None

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until it has ended. Returns how it stands then.

        Raises WaitTimedOutError after so many seconds, also when the coordinator is away; 0 looks
        once.
        """
        limit = Limit.after(timeout)
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
            self._fetch(request, limit)
            if limit.is_over and not self.is_over:
                raise self._time_out()
        return self.status

    def _fetch(self, request: FetchRequest, limit: Limit) -> Fetched:
        """Look at it, waiting for news until the limit. Raises WaitTimedOutError."""
        try:
            with limit.applied():
                fetched = self._engine.results.fetch(request)
        except UnreachableError as error:
            if limit.is_over:
                raise self._time_out(f"; {error.message}") from error
            raise
        self.status = replace(fetched.status, parameters=self.status.parameters)
        return fetched

    def _time_out(self, why: str = "") -> WaitTimedOutError:
        return WaitTimedOutError(f"the wait was over before job {self.id} was{why}")

    def results(self, *, ordered: bool = True, timeout: float | None = None) -> Iterator[Any]:
        """The values of its tasks, in order or as they come, until it ends.

        What a function returned is decoded; values of other services are the bytes that they make
        (``result`` puts those together). A task that failed, was cancelled or did not run in time
        has none, and those after it move up: ``indexed_results`` tells which value is whose. When
        there are no more, raises TaskFailedError if a task failed, and JobIncompleteError if values
        are missing for another reason, with the first indices that have none.

        Raises WaitTimedOutError when so many seconds after this call there is nothing more yet,
        also when the coordinator is away; what is there by then comes before. 0 looks once.
        """
        return (value for _, value in self.indexed_results(ordered=ordered, timeout=timeout))

    def indexed_results(
        self, *, ordered: bool = True, timeout: float | None = None
    ) -> Iterator[tuple[int, Any]]:
        """The same as ``results``, each value with the index of its task, that of its argument."""
        return self._read_results(ordered=ordered, limit=Limit.after(timeout))

    def _read_results(self, *, ordered: bool, limit: Limit) -> Iterator[tuple[int, Any]]:
        read = self._find_reader()
        received = Received()
        for index, value in self.values(ordered=ordered, limit=limit, received=received):
            try:
                opened = read(value)
            except ValueError as error:
                raise TaskFailedError(
                    f"the result of task {index} of job {self.id} cannot be opened in this "
                    f"program: {error}"
                ) from error
            yield index, opened
        if gaps := self._find_gaps(received):
            raise gaps

    def _find_gaps(
        self, received: Received, *, all_read: bool = True
    ) -> TaskFailedError | JobIncompleteError | None:
        """What to raise when values of this job, which is over, are missing."""
        missing = describe_missing(self.status, received, all_read=all_read)
        if not missing:
            return None
        first = next(self.failures(), None) if self.status.failed else None
        if first is None:
            return JobIncompleteError(missing)
        return TaskFailedError(
            f"{self.status.failed} of {count(self.status.tasks, 'task')} of job {self.id} "
            f"failed; the first, task {first.index} ({first.summary}): {first.message}"
            + (f"; {missing}" if self.status.cancelled else "")
        )

    def result(self, path: str | Path | None = None, file_format: str | None = None) -> Any:
        """Its results put together as its service does it, such as a count, or files.

        What its service would write to standard output is returned as bytes when no ``path`` is
        given. Raises OutputError where that cannot be put together or written. When values are
        missing, writes those there are to ``path``, as far as its service does so, and raises
        TaskFailedError or JobIncompleteError, as ``results`` does.
        """
        service = load_service(self.status.service)
        operation = self.status.operation
        stream = io.BytesIO()
        received = Received()
        values = self.values(ordered=service.is_ordered(operation), received=received)
        target = Target(stream, None if path is None else Path(path), file_format)
        try:
            gathered = self.gather(values, target)
        except OutputError as error:
            gaps = self._find_gaps(received, all_read=False) if self.is_over else None
            if gaps:  # which may be the reason, or will be the next thing to say
                raise type(gaps)(f"{error.message}; {gaps.message}") from error
            raise
        if gaps := self._find_gaps(received):
            raise gaps
        return stream.getvalue() if gathered.result is None else gathered.result

    def _find_reader(self) -> Callable[[bytes], Any]:
        if self.status.service != "calls":
            return bytes
        from headrace_services.calls import open_result  # noqa: PLC0415 - quick start

        if self.parameters.get("serializer") != "msgpack":
            raise UsageError(
                f"the results of job {self.id} are pickled: only the program that submitted it "
                "opens them, with headrace.Pool"
            )
        return partial(open_result, "msgpack")

    def failures(self) -> Iterator[TaskFailure]:
        """The failed tasks in index order."""
        start = 0
        while page := self._engine.results.failures(self.id, start, 1000):
            yield from page
            start = page[-1].index + 1

    def acknowledge(self) -> None:
        """Say that the results are safe: the coordinator drops them."""
        self._engine.results.acknowledge(self.id)

    def cancel(self) -> JobStatus:
        """Stop the job; what is done stays done."""
        self.status = self._engine.jobs.cancel(self.id)
        return self.status

    def retry(self) -> JobStatus:
        """Run its failed and cancelled tasks again."""
        self.status = self._engine.jobs.retry(self.id)
        return self.status

    def replay(self, indices: Iterable[int] = ()) -> JobStatus:
        """Run these dead tasks again, or all of them; the others are left as they are."""
        chosen = tuple(check_value(Index, index, "a task's index") for index in indices)
        for place in range(0, max(1, len(chosen)), MAX_NAMED_TASKS):
            some = chosen[place : place + MAX_NAMED_TASKS]
            self.status = self._engine.jobs.replay(self.id, some)
        return self.status

    def delete(self) -> None:
        """Forget it."""
        self._engine.jobs.delete(self.id)
