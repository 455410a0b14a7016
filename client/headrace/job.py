"""One job, as a program sees it: how it stands, its values, and what can be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from headrace.blocking import BlockingCaller, blocking, finish, finish_each
from headrace.engine import Engine
from headrace.job_base import (
    FAILURES_PER_PAGE,
    AwaitedJob,
    JobBase,
    make_target,
    read_result,
)
from headrace.job_log import read_pages
from headrace.missing import Received
from headrace.progress import PAUSE_SECONDS, Progress
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import OutputError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.logs import LogLine
from headrace_wire.timeouts import FOR_EVER, Limit


class Job(JobBase):
    """One job of a cluster. ``status`` is how it stood when it was last looked at."""

    def __init__(self, engine: Engine, status: JobStatus) -> None:
        super().__init__(BlockingCaller(engine.jobs), BlockingCaller(engine.results), status)
        self._engine = engine

    refresh = blocking(AwaitedJob.refresh)
    wait = blocking(AwaitedJob.wait)
    failure_groups = blocking(AwaitedJob.failure_groups)
    task_times = blocking(AwaitedJob.task_times)
    task_runs = blocking(AwaitedJob.task_runs)
    acknowledge = blocking(AwaitedJob.acknowledge)
    cancel = blocking(AwaitedJob.cancel)
    retry = blocking(AwaitedJob.retry)
    replay = blocking(AwaitedJob.replay)
    delete = blocking(AwaitedJob.delete)

    @property
    def progress(self) -> Progress[Iterator[JobStatus]]:
        """The part of its tasks that have an outcome, from 0 to 1, when it was last looked at.

        Called, it watches the job: ``for status in job.progress():`` gives its status whenever
        there is news, at least once a second, and ends with it. ``job.progress(timeout)`` raises
        WaitTimedOutError if that takes more seconds.
        """
        return Progress(self._measure_progress(), self._watch_blocking)

    def _watch_blocking(self, timeout: float | None) -> Iterator[JobStatus]:
        return self._read_news(Limit.after(timeout))

    def _read_news(self, limit: Limit) -> Iterator[JobStatus]:
        for status in finish_each(self._watch(limit)):
            yield status
            if not self.is_over:
                time.sleep(limit.measure_left(PAUSE_SECONDS))

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
        runs = self._read_runs(
            ordered=ordered, limit=limit, received=received, on_progress=on_progress
        )
        for start, run in finish_each(runs):
            yield from enumerate(unpack_batch(run), start)

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
        if gaps := finish(self._find_gaps(received)):
            raise gaps

    def result(
        self,
        path: str | Path | None = None,
        file_format: str | None = None,
        *,
        overwrite: bool = False,
    ) -> Any:
        """Its results put together as its service does it, such as a count, or files.

        What its service would write to standard output is returned as bytes when no ``path`` is
        given. Of files in a folder, only those that were written by headrace before are replaced,
        with ``overwrite`` all. For a job that was submitted by another program, a service that
        writes files needs a ``path``.

        Raises OutputError where that cannot be put together or written. When values are
        missing, writes those there are to ``path``, as far as its service does so, and raises
        TaskFailedError or JobIncompleteError, as ``results`` does.
        """
        received = Received()
        values = self.values(ordered=self._gathers_in_order(), received=received)
        target = make_target(path, file_format, overwrite=overwrite)
        try:
            gathered = self.gather(values, target)
        except OutputError as error:
            gaps = finish(self._find_gaps(received, all_read=False)) if self.is_over else None
            if gaps:  # which may be the reason, or will be the next thing to say
                raise type(gaps)(f"{error.message}; {gaps.message}") from error
            raise
        if gaps := finish(self._find_gaps(received)):
            raise gaps
        return read_result(gathered, target)

    def failures(self) -> Iterator[TaskFailure]:
        """The failed tasks in index order."""
        start = 0
        while page := self._engine.results.failures(self.id, start, FAILURES_PER_PAGE):
            yield from page
            start = page[-1].index + 1

    def logs(self, *, follow: bool = False) -> Iterator[LogLine]:
        """What its tasks have printed and logged, the oldest first: ``headrace logs`` shows it.

        With ``follow`` it goes on as lines come, until the job ends. Raises UnknownJobError.
        """
        for page in finish_each(read_pages(self._results, self.id, follow=follow)):
            yield from page.lines
