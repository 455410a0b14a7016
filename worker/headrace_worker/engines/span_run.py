"""The run of one span in a process of another cluster."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from headrace_services.registry import load_service
from headrace_services.service import TaskRunner
from headrace_services.task import Task
from headrace_services.this_slot import THIS_SLOT
from headrace_wire.batch import pack_batch
from headrace_wire.samples import TASK_SECONDS_BOUNDS
from headrace_worker.engines.messages import SpanCall, SpanNews, SpanOutcome
from headrace_worker.engines.printed import Printed, catch_printed
from headrace_worker.link.cell import FINISHED, PREPARING, SINCE, STARTED, Cell
from headrace_worker.link.failure import Failure
from headrace_worker.link.messages import (
    Lines,
    Progress,
    RunPiece,
    TaskFailed,
    TasksDone,
)
from headrace_worker.link.runners import JobRunner
from headrace_worker.slot.outcome import check_value, describe_task, explain_failure
from headrace_worker.slot.task_news import NEWS_SECONDS, TaskNews
from headrace_worker.slot.traced import run_traced

#: Passes packed SpanNews on to the worker that leased the span. It must not raise.
Tell = Callable[[bytes], object]

#: Returns whether nobody wants the outcome of the span any more.
IsCancelled = Callable[[], bool]


class SpanRun:
    """Runs the tasks of a span in the thread that calls ``run``; another thread reports the
    news.
    """

    def __init__(
        self,
        call: SpanCall,
        job: JobRunner,
        cell: Cell,
        tell: Tell | None,
        is_cancelled: IsCancelled | None,
    ) -> None:
        self._call = call
        self._job = job
        self._cell = cell
        self._tell = tell
        self.news = _SpanTaskNews(cell, is_cancelled)
        self._number = cell.started + 1
        self._piece = RunPiece(
            piece=0,
            generation=0,
            number=self._number,
            job=call.job,
            attempt=call.attempt,
            start=call.start,
            stop=call.stop,
            inputs=None,
            about=None,
            trace=call.trace,
        )
        self.news.begin(self._piece)
        self._ended = threading.Event()
        self._outcomes: list[TasksDone | TaskFailed] = []
        self._next = call.start
        self._cpu_seconds = 0.0
        self._clear()

    def run(self) -> SpanOutcome:
        """Run the tasks. Whatever a task raises is its outcome."""
        teller = threading.Thread(target=self._tell_news, name="headrace-news", daemon=True)
        if self._tell is not None:
            teller.start()
        try:
            with catch_printed(self.news) as printed:
                self._run_tasks(printed)
        finally:
            self._ended.set()
            if self._tell is not None:
                teller.join()
        self._end_done()
        news = self.news.take_news(time.monotonic(), outcomes=True)
        lines = [line for one in news if isinstance(one, Lines) for line in one.lines]
        return SpanOutcome(self._outcomes, lines)

    def _run_tasks(self, printed: Printed) -> None:
        call, words, times = self._call, self._cell.words, self._cell.times
        run = self._trace(self._job.run)
        for place, index in enumerate(range(call.start, call.stop)):
            task_input = None if call.inputs is None else call.inputs[place]
            number = self._number + place
            times[SINCE] = time.monotonic()
            words[PREPARING] = run is None
            words[STARTED] = number
            try:
                if run is None:
                    run = self._trace(self._prepare(index))
                    if run is None:
                        words[FINISHED] = self._number + len(range(call.start, call.stop)) - 1
                        words[STARTED] = words[FINISHED]
                        return
                    times[SINCE] = time.monotonic()
                    words[PREPARING] = 0
                self._run_task(run, index, task_input)
            finally:
                printed.end_task()
                words[PREPARING] = 0
                words[FINISHED] = words[STARTED]

    def _run_task(self, run: TaskRunner, index: int, task_input: bytes | None) -> None:
        began, cpu = time.monotonic(), time.thread_time()
        try:
            try:
                value = run(index, task_input)
            finally:
                THIS_SLOT.task_ended()
            check_value(value)
        except BaseException as error:  # noqa: BLE001 - whatever a task raises is its outcome
            failure = explain_failure(self._job, error)
            summary = describe_task(self._job, index, task_input)
            self._add_failed(failure, summary, time.monotonic() - began, time.thread_time() - cpu)
        else:
            seconds = time.monotonic() - began
            self._values.append(value)
            self._busy_seconds += seconds
            self._cpu_seconds += time.thread_time() - cpu
            self._durations[bisect_left(TASK_SECONDS_BOUNDS, seconds)] += 1

    def _prepare(self, index: int) -> TaskRunner | None:
        """Prepare the job for its first task. Return None if that failed, and with it all tasks."""
        try:
            self._job.prepare(load_service, self._call.permits)
        except BaseException as error:  # noqa: BLE001 - whatever a service raises is its tasks' outcome
            failure = explain_failure(self._job, error)
            for other in range(index, self._call.stop):
                given = self._call.inputs
                other_input = None if given is None else given[other - self._call.start]
                summary = describe_task(self._job, other, other_input)
                self._add_failed(failure, summary, 0.0, 0.0)
                # One traceback is enough.
                failure = replace(failure, traceback="")
            return None
        return self._job.run

    def _trace(self, run: TaskRunner | None) -> TaskRunner | None:
        if run is None or not self._call.trace:
            return run
        return partial(run_traced, self._piece, self._job, run)

    def _add_failed(
        self, failure: Failure, summary: str, seconds: float, cpu_seconds: float
    ) -> None:
        self._end_done()
        index = self._next
        self.news.note_failed(self._number + index - self._call.start)
        self._outcomes.append(TaskFailed(0, index, failure, summary, cpu_seconds, seconds))
        self._next += 1

    def _end_done(self) -> None:
        if not self._values:
            return
        stop = self._next + len(self._values)
        growth = self.news.take_growth(self._number + stop - self._call.start)
        self._outcomes.append(
            TasksDone(
                0,
                self._next,
                stop,
                pack_batch(self._values),
                growth,
                self._cpu_seconds,
                self._busy_seconds,
                tuple(self._durations),
            )
        )
        self._next = stop
        self._clear()

    def _clear(self) -> None:
        self._values: list[bytes] = []
        self._busy_seconds = self._cpu_seconds = 0.0
        self._durations = [0] * (len(TASK_SECONDS_BOUNDS) + 1)

    def _tell_news(self) -> None:
        tell = self._tell
        assert tell is not None
        call, number = self._call, -1
        while True:
            running = self._cell.read_running()
            index, seconds, before = None, 0.0, number
            if running is not None and not running.preparing:
                number = running.number
                index = call.start + number - self._number
                seconds = max(0.0, time.monotonic() - running.since_seconds)
            news = self.news.take_news(time.monotonic(), outcomes=False)
            if news or number != before or before < 0:
                lines = [line for one in news if isinstance(one, Lines) for line in one.lines]
                progress = next((one for one in news if isinstance(one, Progress)), None)
                span_news = SpanNews(call.worker, call.run, index, seconds, lines, progress)
                tell(msgspec.msgpack.encode(span_news))
            if self._ended.wait(NEWS_SECONDS):
                return


class _SpanTaskNews(TaskNews):
    """The lines and progress of the tasks of a span, until they are reported or the span ends."""

    def __init__(self, cell: Cell, is_cancelled: IsCancelled | None) -> None:
        super().__init__(cell, lambda: False, lambda: None)
        self._ask = is_cancelled

    def is_cancelled(self, task: Task) -> bool:
        """Ask the cluster, if it can tell."""
        del task
        return self._ask is not None and self._ask()

    def log(self, task: Task, at: float, level: str, text: str) -> bool:
        """Keep a line, which the worker that leased the task writes to its log."""
        self.keep(task, at, level, text)
        return True
