"""One job of a cluster for blocking programs: its status, its values, and methods to control it."""

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
    """One job of a cluster. ``status`` is its status in the coordinator's last answer."""

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
        """The fraction of the job's tasks that have an outcome, from 0 to 1, as last known.

        It can also be called: ``for status in job.progress():`` yields the job's status whenever it
        changes, at least once a second, until the job ends. ``job.progress(timeout)`` raises
        WaitTimedOutError if the job has not ended after ``timeout`` seconds.
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
        """Iterate over encoded values with their indices, as they arrive or in index order, until
        the job ends.

        Failed and cancelled tasks have no value; ``received`` records the tasks that have one.
        ``on_progress`` is called whenever the status changes, and at least every 20 seconds. Raises
        WaitTimedOutError if the next value has not arrived when the limit is reached.
        """
        runs = self._read_runs(
            ordered=ordered, limit=limit, received=received, on_progress=on_progress
        )
        for start, run in finish_each(runs):
            yield from enumerate(unpack_batch(run), start)

    def results(self, *, ordered: bool = True, timeout: float | None = None) -> Iterator[Any]:
        """Iterate over the values of the job's tasks, in order or as they arrive, until it ends.

        Values that a function returned are decoded; those of other services are the bytes that the
        service made (``result`` combines them). Tasks that failed, were cancelled, or did not run
        in time are skipped; use ``indexed_results`` to know which task a value belongs to. After
        the last value, TaskFailedError is raised if a task failed, and JobIncompleteError, with the
        first missing indices, if values are missing for another reason.

        Raises WaitTimedOutError if the next value has not arrived ``timeout`` seconds after this
        call, even if the coordinator cannot be reached. With 0 it asks once and does not wait.
        """
        return (value for _, value in self.indexed_results(ordered=ordered, timeout=timeout))

    def indexed_results(
        self, *, ordered: bool = True, timeout: float | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Do what ``results`` does, with the index of its task (and argument) before each value."""
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
        """Return the results combined as the job's service does it, such as a count, or files.

        Without a ``path``, what the service would write to standard output is returned as bytes.
        In a folder, only files that headrace has written before are replaced, or any file with
        ``overwrite``. For a job that was submitted by another program, a service that writes files
        requires a ``path``.

        Raises OutputError if the results cannot be combined or written. If values are missing, the
        others are written to ``path`` if the service supports that, and TaskFailedError or
        JobIncompleteError is raised as by ``results``.
        """
        received = Received()
        values = self.values(ordered=self._gathers_in_order(), received=received)
        target = make_target(path, file_format, overwrite=overwrite)
        try:
            gathered = self.gather(values, target)
        except OutputError as error:
            gaps = finish(self._find_gaps(received, all_read=False)) if self.is_over else None
            if gaps:  # missing values may be the reason for the error
                raise type(gaps)(f"{error.message}; {gaps.message}") from error
            raise
        if gaps := finish(self._find_gaps(received)):
            raise gaps
        return read_result(gathered, target)

    def failures(self) -> Iterator[TaskFailure]:
        """Iterate over the failed tasks in index order."""
        start = 0
        while page := self._engine.results.failures(self.id, start, FAILURES_PER_PAGE):
            yield from page
            start = page[-1].index + 1

    def logs(self, *, follow: bool = False) -> Iterator[LogLine]:
        """Iterate over the lines that the job's tasks printed and logged, the oldest first.

        With ``follow`` it waits for new lines until the job ends. Raises UnknownJobError.
        ``headrace logs`` shows the same lines.
        """
        for page in finish_each(read_pages(self._results, self.id, follow=follow)):
            yield from page.lines
