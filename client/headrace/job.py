"""One job, as a program sees it: how it stands, its values, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from headrace.engine import Engine
from headrace.job_base import (
    FAILURES_PER_PAGE,
    FIRST_LOOK_SECONDS,
    JobBase,
    make_target,
    read_result,
    split_indices,
)
from headrace.missing import Received, describe_missing
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import (
    JobIncompleteError,
    OutputError,
    TaskFailedError,
    UnreachableError,
)
from headrace_wire.messages import Fetched, FetchRequest, JobStatus, TaskFailure
from headrace_wire.timeouts import FOR_EVER, Limit


class Job(JobBase):
    """One job of a cluster. ``status`` is how it stood when it was last looked at."""

    def __init__(self, engine: Engine, status: JobStatus) -> None:
        super().__init__(status)
        self._engine = engine

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
            request = self._ask_for_values(cursor, seen, wait_seconds, ordered=ordered)
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

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Wait until it has ended. Returns how it stands then.

        Raises WaitTimedOutError after so many seconds, also when the coordinator is away; 0 looks
        once.
        """
        limit = Limit.after(timeout)
        while not self.is_over:
            self._fetch(self._ask_for_end(), limit)
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
        return self._take_status(fetched)

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
            yield index, self._open(read, index, value)
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
        return self._explain_gaps(missing, first)

    def result(self, path: str | Path | None = None, file_format: str | None = None) -> Any:
        """Its results put together as its service does it, such as a count, or files.

        What its service would write to standard output is returned as bytes when no ``path`` is
        given. Raises OutputError where that cannot be put together or written. When values are
        missing, writes those there are to ``path``, as far as its service does so, and raises
        TaskFailedError or JobIncompleteError, as ``results`` does.
        """
        received = Received()
        values = self.values(ordered=self._gathers_in_order(), received=received)
        target = make_target(path, file_format)
        try:
            gathered = self.gather(values, target)
        except OutputError as error:
            gaps = self._find_gaps(received, all_read=False) if self.is_over else None
            if gaps:  # which may be the reason, or will be the next thing to say
                raise type(gaps)(f"{error.message}; {gaps.message}") from error
            raise
        if gaps := self._find_gaps(received):
            raise gaps
        return read_result(gathered, target)

    def failures(self) -> Iterator[TaskFailure]:
        """The failed tasks in index order."""
        start = 0
        while page := self._engine.results.failures(self.id, start, FAILURES_PER_PAGE):
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
        for some in split_indices(indices):
            self.status = self._engine.jobs.replay(self.id, some)
        return self.status

    def delete(self) -> None:
        """Forget it."""
        self._engine.jobs.delete(self.id)
