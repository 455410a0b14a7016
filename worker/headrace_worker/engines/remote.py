"""The engine that is another cluster: what a worker leases runs there, in spans.

    submit ─► Backlog ─ _feed ─► _Run ═ Grid.run ═► that cluster: run_span
                 ▲                │ died, or over a limit
                 └─ what had not ─┤
                    started       ▼
    take_events ◄────────── outcomes of its tasks

A span holds about so much work that what it costs to send it does not matter, and no more: it is
what runs again if the process dies. Which task of a span a process died with is not known, so its
tasks then run again one by one, and one with which a process dies alone is charged. Tasks that are
retried in a job with which processes have died go one by one from the start.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import threading
import time
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from headrace_services.permits import Permits
from headrace_wire.log_format import about
from headrace_wire.messages import (
    ERROR,
    TIMEOUT,
    DoneSpan,
    Reason,
    ReturnedSpan,
    RunningTask,
    TaskFailure,
)
from headrace_worker.engines.grid import Grid, GridAwayError, SpanLostError
from headrace_worker.engines.messages import SpanCall, SpanNews, SpanOutcome
from headrace_worker.foresight import Times, mix_times
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.link.messages import Progress, TaskLine, TasksDone
from headrace_worker.link.runners import KeptJobs
from headrace_worker.machine.processes import Usage
from headrace_worker.pool.backlog import Backlog, Span, return_spans
from headrace_worker.pool.batch import Batch, Event, make_event
from headrace_worker.pool.dispatch import Paces
from headrace_worker.pool.limits import PREPARE_SECONDS
from headrace_worker.pool.tally import Tally

#: How many seconds of work a span holds, if its tasks are short, and how many tasks at most.
SPAN_SECONDS = 0.25
SPAN_TASKS = 1000

#: Bytes of inputs of a span, unless one task alone has more.
SPAN_BYTES = 4 << 20

#: Spans that wait at the other side for each slot, beside those that run, so that no process waits
#: for the way there and back; tasks that take longer than so many seconds do without.
AHEAD = 1
AHEAD_SECONDS = 1.0

#: Parameters of a job with more bytes than this are brought to the other side once.
SHARED_BYTES = 64 << 10

#: Jobs of which it is remembered what was brought there, and that processes died with them.
KEPT_SHARED = 8
KEPT_DEADLY = 100

#: Seconds by which the news that a span is at its next task may be late.
SLACK_SECONDS = 1.0

_log = logging.getLogger(__name__)


class _Run:
    """A span at the other side. ``index`` runs there since ``since`` (monotonic), as far as is
    known.
    """

    def __init__(self, number: int, span: Span) -> None:
        self.number = number
        self.span = span
        self.started = time.monotonic()
        self.index: int | None = None
        self.since = self.started
        self.heard = 0.0
        self.progress: Progress | None = None
        self.task: asyncio.Task[None] | None = None


class RemoteEngine:
    """An ``Engine`` over a grid that is open, and is closed by whoever has opened it.

    Unless it ``can_kill``, tasks with a time limit are refused. At most ``slots`` spans run at a
    time, or as many as the grid has room for; ``on_slots`` is called when that may have changed.
    Modules are looked for there in ``path``, too, after all others. ``show`` is given each line
    that a task has said. Not thread safe, but for ``close``.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        can_kill: bool = True,
        slots: int | None = None,
        permits: Permits | None = None,
        path: tuple[str, ...] = (),
        on_slots: Callable[[], object] = lambda: None,
        show: Callable[[TaskLine], object] = lambda _: None,
    ) -> None:
        self._grid = grid
        self._can_kill = can_kill
        self._most = slots
        self._permits = permits or Permits()
        self._path = path
        self._on_slots = on_slots
        self._show = show
        self._name = os.urandom(8).hex()
        self._backlog = Backlog()
        self._batches: dict[int, Batch] = {}
        self._runs: dict[int, _Run] = {}
        self._last_run = 0
        self._ended = 0.0
        self._paces = Paces()
        self._shared: KeptJobs[asyncio.Future[list[Any]]] = KeptJobs(KEPT_SHARED)
        self._deadly: KeptJobs[bool] = KeptJobs(KEPT_DEADLY)
        self._events: list[Event] = []
        self._lines: list[TaskLine] = []
        self.tally = Tally()
        self.due_seconds = inf
        self._loop: AbstractEventLoop | None = None
        self._thread = 0
        self._on_news: Callable[[], object] = lambda: None
        self._closed = False

    @property
    def slots(self) -> int:
        return self._grid.slots if self._most is None else min(self._most, self._grid.slots)

    @property
    def busy_slots(self) -> int:
        return min(self.slots, len(self._runs))

    @property
    def idle_slots(self) -> int:
        return max(0, self._count_room(self.mean_seconds) - len(self._runs))

    @property
    def outstanding(self) -> frozenset[int]:
        return frozenset(self._batches)

    @property
    def pending_tasks(self) -> int:
        return self._backlog.tasks

    @property
    def queued_tasks(self) -> int:
        inside = sum(len(run.span) for run in self._runs.values())
        return self._backlog.tasks + max(0, inside - self._count_room(self.mean_seconds))

    @property
    def mean_seconds(self) -> float | None:
        return self._paces.overall.mean_seconds

    @property
    def pending_seconds(self) -> float | None:
        jobs = {batch.job for batch in self._batches.values()}
        means = {job: self._paces.mean_of(job) for job in jobs}
        if None in means.values():
            return None
        ahead = list(self._runs.values())[self.slots :]
        waiting = [*self._backlog, *(run.span for run in ahead)]
        return sum(len(span) * (means.get(span.batch.job) or 0.0) for span in waiting)

    def find_times(self) -> Times | None:
        tasks: Counter[str] = Counter()
        for batch in self._batches.values():
            tasks[batch.job] += batch.remaining
        if not tasks:
            return self._paces.latest.times
        return mix_times([(self._paces.times_of(job), count) for job, count in tasks.items()])

    def list_means(self, most: int) -> dict[str, float]:
        jobs = {batch.job for batch in self._batches.values()}
        means = {job: mean for job in jobs if (mean := self._paces.mean_of(job)) is not None}
        return dict(list(means.items())[:most])

    def list_left(self) -> list[float]:
        now = time.monotonic()
        left: list[float] = []
        for run in self._runs.values():
            mean = self._paces.mean_of(run.span.batch.job)
            whole = len(run.span) * mean if mean else 0.0
            left.append(max(0.0, run.started + whole - now))
        left = sorted(left, reverse=True)[: self.slots]
        return left + [0.0] * (self.slots - len(left))

    def is_stuck(self, seconds: float) -> bool:
        if not self.slots:
            return True  # nothing runs there now: others may have slots
        if len(self._runs) < self.slots:
            return False
        return time.monotonic() - self._ended > seconds + 2 * SPAN_SECONDS

    def read_usage(self) -> dict[int, Usage]:
        return {}

    def submit(self, batch: Batch) -> None:
        self._check_open()
        if batch.key in self._batches:
            raise ValueError(f"batch {batch.key} is already held by the engine")
        if batch.timeout_seconds is not None and not self._can_kill:
            raise ValueError(f"{self._grid.title} cannot end a task at its time limit")
        self._batches[batch.key] = batch
        batch.remaining = batch.stop - batch.start
        self._backlog.append(Span(batch, batch.start, batch.stop))
        self._feed()
        self._on_news()

    def attach(self, loop: AbstractEventLoop, on_news: Callable[[], object]) -> None:
        self._check_open()
        self._loop, self._on_news = loop, on_news
        self._thread = threading.get_ident()
        self._grid.watch(self._note_change, self._hear)
        self._feed()

    def detach(self) -> None:
        self._on_news = lambda: None

    def take_events(self) -> list[Event]:
        self._check_open()
        self._enforce_limits()
        self._feed()
        events, self._events = self._events, []
        return events

    def take_lines(self) -> list[TaskLine]:
        lines, self._lines = self._lines, []
        return lines

    def list_progress(self) -> list[Progress]:
        return [run.progress for run in self._runs.values() if run.progress]

    def list_running(self, most: int) -> list[RunningTask]:
        now = time.monotonic()
        found = [
            RunningTask(
                run.span.batch.job,
                run.index,
                run.span.batch.attempt,
                "",
                run.number,
                max(0.0, now - run.since),
                0,
            )
            for run in self._runs.values()
            if run.index is not None and not run.span.batch.cancelled
        ]
        return sorted(found, key=lambda task: -task.seconds)[:most]

    def cancel(self, job: str) -> None:
        self._check_open()
        for batch in list(self._batches.values()):
            if batch.job == job:
                batch.cancelled = True
                self._forget(batch)
        self._backlog.put_back(self._backlog.take_all())
        for run in self._runs.values():
            if run.span.batch.cancelled and run.task:
                run.task.cancel()
        self._feed()

    def cancel_task(self, job: str, index: int) -> None:
        self._check_open()
        for run in self._runs.values():
            span = run.span
            if span.batch.job == job and (span.start, span.stop) == (index, index + 1) and run.task:
                run.task.cancel()
        waiting = [
            Span(span.batch, index, index + 1)
            for span in self._backlog
            if span.batch.job == job and span.start <= index < span.stop
        ]
        for task in waiting:
            spans = self._backlog.take_all()
            self._backlog.put_back(rest for span in spans for rest in span.without(task))
        self._events += return_spans(waiting, self._count_off)
        self._feed()

    def hand_back(self) -> list[ReturnedSpan]:
        self._check_open()
        return return_spans(self._backlog.take_all(), self._count_off)

    def close(self, *, kill: bool = False, call_off: bool = False) -> list[ReturnedSpan]:
        loop = self._loop
        if loop and loop.is_running() and threading.get_ident() != self._thread:
            # What runs there goes on meanwhile, in the event loop.
            return asyncio.run_coroutine_threadsafe(self._close_here(), loop).result()
        del kill, call_off  # what runs elsewhere is ended as far as that can be done
        self._closed = True
        unfinished = self._backlog.take_all() + [run.span for run in self._runs.values()]
        tasks = [run.task for run in self._runs.values() if run.task]
        self._runs.clear()
        if loop and not loop.is_closed():
            for task in tasks:
                task.cancel()
        return return_spans(unfinished, self._count_off)

    async def _close_here(self) -> list[ReturnedSpan]:
        return self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the engine is closed")

    def _note_change(self) -> None:
        if not self._closed:
            self._on_slots()
            self._feed()
            self._on_news()

    def _feed(self) -> None:
        while self._loop and (head := self._backlog.head) is not None:
            mean = self._paces.mean_of(head.batch.job)
            if len(self._runs) >= self._count_room(mean):
                return
            tasks = self._choose_tasks(head, mean)
            self._begin(self._loop, self._backlog.take(tasks, head))

    def _count_room(self, mean_seconds: float | None) -> int:
        """How many spans there may be at the other side, of tasks that take so long."""
        ahead = AHEAD if mean_seconds is not None and mean_seconds <= AHEAD_SECONDS else 0
        return self.slots * (1 + ahead)

    def _choose_tasks(self, span: Span, mean_seconds: float | None) -> int:
        """How many of the tasks that wait are sent together."""
        if mean_seconds is None or mean_seconds > SPAN_SECONDS:
            return 1
        if span.batch.attempt > 1 and self._deadly.touch(span.batch.job):
            return 1
        # None idles while others have more than one; with none that idles, there is no hurry.
        fair = math.ceil(self._backlog.tasks / max(1, self.slots - len(self._runs)))
        tasks = min(SPAN_TASKS, fair, len(span), int(SPAN_SECONDS / max(mean_seconds, 1e-6)))
        tasks = max(1, tasks)
        if span.batch.inputs is not None:
            first = span.start - span.batch.start
            sizes = [len(one) for one in span.batch.inputs[first : first + tasks]]
            tasks = max(1, _fit(sizes))
        return tasks

    def _begin(self, loop: AbstractEventLoop, span: Span) -> None:
        self._last_run += 1
        run = _Run(self._last_run, span)
        self._runs[run.number] = run
        if len(self._runs) == 1:
            self._ended = run.started
        run.task = loop.create_task(self._follow(run))

    async def _follow(self, run: _Run) -> None:
        """Have a span run, and settle its tasks."""
        batch = run.span.batch
        try:
            shared = await self._share(batch)
            packed = await self._grid.run(self._pack_call(run, bool(shared)), shared)
            outcome = msgspec.msgpack.decode(packed, type=SpanOutcome)
        except asyncio.CancelledError:
            if self._leave(run):
                self._events += return_spans([run.span], self._count_off)
        except GridAwayError as error:
            if self._leave(run):
                _log.warning("job %s: %s: %s", batch.job, self._grid.title, error,
                             extra=about(batch.job))  # fmt: skip
                self._backlog.put_back([run.span])
        except SpanLostError as error:
            if self._leave(run):
                self._take_loss(run, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the outcome of these tasks
            if self._leave(run):
                _log.warning("job %s: %s: %s", batch.job, self._grid.title, error,
                             extra=about(batch.job))  # fmt: skip
                self._fail(run.span, ERROR, f"{self._grid.title} could not run it: {error}",
                           error_type=type(error).__qualname__)  # fmt: skip
        else:
            if self._leave(run):
                self._take_outcome(run, outcome)
        finally:
            if not self._closed:
                self._feed()
                self._on_news()

    def _leave(self, run: _Run) -> bool:
        """Note that a span runs no longer. False: nobody waits for what becomes of it."""
        self._ended = time.monotonic()
        return self._runs.pop(run.number, None) is not None and not run.span.batch.cancelled

    def _pack_call(self, run: _Run, is_shared: bool) -> bytes:
        span, batch = run.span, run.span.batch
        first, last = span.start - batch.start, span.stop - batch.start
        brings_all = is_shared and len(batch.parameters) > SHARED_BYTES
        call = SpanCall(
            worker=self._name,
            run=run.number,
            job=batch.job,
            service=batch.service,
            operation=batch.operation,
            attempt=batch.attempt,
            start=span.start,
            stop=span.stop,
            inputs=None if batch.inputs is None else batch.inputs[first:last],
            parameters=None if brings_all else batch.parameters,
            data=tuple(name for name, _, _ in batch.data),
            tenant=batch.tenant,
            trace=batch.trace,
            permits=self._permits,
            path=self._path,
        )
        return msgspec.msgpack.encode(call)

    async def _share(self, batch: Batch) -> list[Any]:
        """Bring what is large in a job's parameters to the other side, once."""
        large = len(batch.parameters) > SHARED_BYTES
        if not large and not batch.data:
            return []
        known = self._shared.touch(batch.job)
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            known = asyncio.ensure_future(self._bring(batch, whole=large))
            self._shared.keep(batch.job, known)
        return await asyncio.shield(known)

    async def _bring(self, batch: Batch, *, whole: bool) -> list[Any]:
        contents = [batch.parameters] if whole else []
        contents += [await asyncio.to_thread(_read, path) for _, path, _ in batch.data]
        return [await self._grid.share(content) for content in contents]

    def _take_outcome(self, run: _Run, outcome: SpanOutcome) -> None:
        batch = run.span.batch
        self._take_lines(outcome.lines)
        for message in outcome.outcomes:
            tasks = len(message.indices)
            event = make_event(batch, message)
            if isinstance(message, TasksDone):
                self.tally.add_done(batch, message)
            else:
                self.tally.add_failed(batch, message.cpu_seconds)
            self._settle(batch, event, tasks)

    def _take_loss(self, run: _Run, reason: Reason, message: str) -> None:
        """Charge the task that was alone in its span; others run again, one by one."""
        self.tally.restarts[reason] += 1
        span = run.span
        self._deadly.keep(span.batch.job, True)
        if len(span) == 1:
            self._fail(span, reason, message, seconds=time.monotonic() - run.since)
        else:
            self._backlog.put_back(
                Span(span.batch, index, index + 1) for index in range(span.start, span.stop)
            )

    def _enforce_limits(self) -> None:
        """End what is over its time limit, and note when to look again."""
        self.due_seconds = inf
        now = time.monotonic()
        for run in list(self._runs.values()):
            limit = run.span.batch.timeout_seconds
            if limit is None or run.task is None or run.span.batch.cancelled:
                continue
            if not run.heard:
                continue  # it waits for a process
            slack = SLACK_SECONDS if len(run.span) > 1 else 0.0
            if run.index is None:
                limit, slack = max(limit, PREPARE_SECONDS), 0.0
            over = run.since + limit + slack
            if over > now:
                self.due_seconds = min(self.due_seconds, over)
                continue
            task = run.task
            del self._runs[run.number]
            task.cancel()
            self.tally.restarts[TIMEOUT] += 1
            self._charge_timeout(run, limit, now)

    def _charge_timeout(self, run: _Run, limit: float, now: float) -> None:
        span = run.span
        index = span.start if run.index is None else run.index
        charged = Span(span.batch, index, index + 1)
        self._backlog.put_back(
            Span(span.batch, other, other + 1)
            for other in range(span.start, span.stop)
            if other != index
        )
        message = f"ran longer than its limit of {limit:g} s"
        if run.index is None:
            message = f"its job was still being prepared after {limit:.0f} s"
        self._fail(charged, TIMEOUT, message, seconds=now - run.since, signal="SIGKILL")

    def _hear(self, packed: bytes) -> None:
        """Take in what a span that runs has told; what is no news is ignored."""
        try:
            news = msgspec.msgpack.decode(packed, type=SpanNews)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return
        run = self._runs.get(news.run)
        if news.worker != self._name:
            return
        self._take_lines(news.lines)
        if run is not None and (news.index is None or run.span.start <= news.index < run.span.stop):
            run.index, run.heard = news.index, time.monotonic()
            run.since = run.heard - news.seconds
            if news.progress and news.progress.index == news.index:
                run.progress = news.progress
            elif run.progress and run.progress.index != news.index:
                run.progress = None
        self._on_news()

    def _take_lines(self, lines: list[TaskLine]) -> None:
        self._lines += lines
        for line in lines:
            self._show(line)

    def _fail(
        self,
        span: Span,
        reason: Reason,
        message: str,
        *,
        seconds: float = 0.0,
        error_type: str = "",
        signal: str = "",
    ) -> None:
        batch = span.batch
        for index in range(span.start, span.stop):
            failed = TaskFailure(
                lease=batch.key,
                job=batch.job,
                index=index,
                attempt=batch.attempt,
                reason=reason,
                signal=signal,
                error_type=clip(error_type, SUMMARY_CHARACTERS),
                message=clip(message, MESSAGE_CHARACTERS),
                busy_seconds=seconds,
            )
            self._settle(batch, failed, 1)

    def _settle(self, batch: Batch, event: DoneSpan | TaskFailure, tasks: int) -> None:
        if event.busy_seconds:
            self._paces.observe(event.job, tasks, event.busy_seconds)
        self._events.append(event)
        self._count_off(batch, tasks)

    def _count_off(self, batch: Batch, tasks: int) -> None:
        batch.remaining -= tasks
        if not batch.remaining:
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        del self._batches[batch.key]


def _fit(sizes: list[int]) -> int:
    """How many inputs of these sizes travel together."""
    room = SPAN_BYTES
    for place, size in enumerate(sizes):
        room -= size
        if room < 0:
            return place
    return len(sizes)


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
