"""The engine that uses another cluster: the tasks that a worker leases run there, in spans.

    submit ─► Backlog ─ _feed ─► run  ═ Grid.run ═► that cluster: run_span
                 ▲                │ died, or over a limit
                 └─ tasks that ───┤
                    did not start ▼
    take_events ◄────────── outcomes of its tasks

If a process dies, it is not known which task of the span was running. So the tasks of the span then
run again one by one, and a task is charged if a process dies that ran it alone. In a job with which
processes have died, retried tasks run one by one from the start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from math import inf

import msgspec

from headrace_services.permits import Permits
from headrace_wire.log_format import about
from headrace_wire.messages.failures import ERROR, TIMEOUT, Reason
from headrace_wire.messages.reports import ReturnedSpan
from headrace_worker.engines.grid import Grid, GridAwayError, SpanLostError
from headrace_worker.engines.messages import SpanCall, SpanNews, SpanOutcome
from headrace_worker.engines.remote_figures import RemoteFigures
from headrace_worker.engines.remote_run import RemoteRun
from headrace_worker.engines.sent_data import SentData, are_large
from headrace_worker.engines.settling import Settling
from headrace_worker.engines.span_size import choose_tasks, count_room
from headrace_worker.link.messages import TaskLine
from headrace_worker.link.runners import KeptJobs
from headrace_worker.pool.backlog import Backlog, Span
from headrace_worker.pool.batch import Batch, Event

#: The number of jobs for which it is remembered that processes died with them.
KEPT_DEADLY = 100

_log = logging.getLogger(__name__)


class RemoteEngine(RemoteFigures):
    """An ``Engine`` over an open grid, which is closed by the code that opened it.

    Unless the engine ``can_kill``, tasks with a time limit are refused. At most ``slots`` spans run
    at the same time, or as many as the grid has room for; ``on_slots`` is called when that may have
    changed. Modules are also searched for in ``path``, after all other folders. ``show`` is called
    with each line that a task has printed or logged. Not thread-safe, except for ``close``.
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
        self._settling = Settling()
        self._sent_data = SentData(grid)
        self._runs: dict[int, RemoteRun] = {}
        self._last_run = 0
        self._ended = 0.0
        self._deadly: KeptJobs[bool] = KeptJobs(KEPT_DEADLY)
        self._lines: list[TaskLine] = []
        self.due_seconds = inf
        self._loop: AbstractEventLoop | None = None
        self._thread = 0
        self._on_news: Callable[[], object] = lambda: None
        self._closed = False

    def submit(self, batch: Batch) -> None:
        self._check_open()
        if batch.timeout_seconds is not None and not self._can_kill:
            raise ValueError(f"{self._grid.title} cannot end a task at its time limit")
        self._settling.add(batch)
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
        return self._settling.take_events()

    def take_lines(self) -> list[TaskLine]:
        lines, self._lines = self._lines, []
        return lines

    def cancel(self, job: str) -> None:
        self._check_open()
        self._settling.cancel(job)
        self._backlog.put_back(self._backlog.take_all())
        for run in self._runs.values():
            if run.span.batch.cancelled:
                run.cancel()
        self._feed()

    def cancel_task(self, job: str, index: int) -> None:
        self._check_open()
        for run in self._runs.values():
            span = run.span
            if span.batch.job == job and (span.start, span.stop) == (index, index + 1):
                run.cancel()
        waiting = [
            Span(span.batch, index, index + 1)
            for span in self._backlog
            if span.batch.job == job and span.start <= index < span.stop
        ]
        for task in waiting:
            spans = self._backlog.take_all()
            self._backlog.put_back(rest for span in spans for rest in span.without(task))
        self._settling.give_back(waiting)
        self._feed()

    def hand_back(self, keep: int = 0) -> list[ReturnedSpan]:
        self._check_open()
        return self._settling.hand_back(self._backlog.take_after(keep))

    def close(self, *, kill: bool = False, call_off: bool = False) -> list[ReturnedSpan]:
        loop = self._loop
        if loop and loop.is_running() and threading.get_ident() != self._thread:
            # Meanwhile, the spans go on in the event loop.
            return asyncio.run_coroutine_threadsafe(self._close_here(), loop).result()
        del kill, call_off  # spans elsewhere are ended as far as possible in any case
        self._closed = True
        unfinished = self._backlog.take_all() + [run.span for run in self._runs.values()]
        tasks = [run.task for run in self._runs.values() if run.task]
        self._runs.clear()
        if loop and not loop.is_closed():
            for task in tasks:
                task.cancel()
        return self._settling.hand_back(unfinished)

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
            mean = self._settling.paces.mean_of(head.batch.job)
            if len(self._runs) >= count_room(self.slots, mean):
                return
            self._begin(self._loop, self._backlog.take(self._choose_tasks(head, mean), head))

    def _choose_tasks(self, span: Span, mean_seconds: float | None) -> int:
        """Return how many tasks of a waiting span are sent together."""
        if span.batch.attempt > 1 and self._deadly.touch(span.batch.job):
            return 1
        idle = self.slots - len(self._runs)
        return choose_tasks(span, mean_seconds, self._backlog.tasks, idle)

    def _begin(self, loop: AbstractEventLoop, span: Span) -> None:
        self._last_run += 1
        run = RemoteRun(self._last_run, span)
        self._runs[run.number] = run
        if len(self._runs) == 1:
            self._ended = run.started
        run.task = loop.create_task(self._follow(run))

    async def _follow(self, run: RemoteRun) -> None:
        """Run a span, and settle its tasks."""
        batch = run.span.batch
        try:
            shared = await self._sent_data.share(batch)
            packed = await self._grid.run(self._pack_call(run), shared)
            outcome = msgspec.msgpack.decode(packed, type=SpanOutcome)
        except asyncio.CancelledError:
            if self._leave(run):
                self._settling.give_back([run.span])
        except GridAwayError as error:
            if self._leave(run):
                _log.warning("job %s: %s: %s", batch.job, self._grid.title, error,
                             extra=about(batch.job))  # fmt: skip
                self._backlog.put_back([run.span])
        except SpanLostError as error:
            if self._leave(run):
                self._take_loss(run, error.reason, str(error))
        except Exception as error:  # noqa: BLE001 - it is the outcome of these tasks
            if self._leave(run):
                _log.warning("job %s: %s: %s", batch.job, self._grid.title, error,
                             extra=about(batch.job))  # fmt: skip
                why = f"{self._grid.title} could not run it: {error}"
                self._settling.fail(run.span, ERROR, why, error_type=type(error).__qualname__)
        else:
            if self._leave(run):
                self._take_outcome(run, outcome)
        finally:
            if not self._closed:
                self._feed()
                self._on_news()

    def _leave(self, run: RemoteRun) -> bool:
        """Remove a span that has ended. Return False if nobody waits for its outcome."""
        self._ended = time.monotonic()
        return self._runs.pop(run.number, None) is not None and not run.span.batch.cancelled

    def _pack_call(self, run: RemoteRun) -> bytes:
        span, batch = run.span, run.span.batch
        first, last = span.start - batch.start, span.stop - batch.start
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
            parameters=None if are_large(batch) else batch.parameters,
            data=tuple(name for name, _, _ in batch.data),
            tenant=batch.tenant,
            trace=batch.trace,
            permits=self._permits,
            path=self._path,
        )
        return msgspec.msgpack.encode(call)

    def _take_outcome(self, run: RemoteRun, outcome: SpanOutcome) -> None:
        self._take_lines(outcome.lines)
        for message in outcome.outcomes:
            self._settling.settle(run.span.batch, message)

    def _take_loss(self, run: RemoteRun, reason: Reason, message: str) -> None:
        """Charge the task if it was alone in its span; otherwise the tasks run again, one by
        one.
        """
        self.tally.restarts[reason] += 1
        span = run.span
        self._deadly.keep(span.batch.job, True)
        if len(span) == 1:
            self._settling.fail(span, reason, message, seconds=time.monotonic() - run.since)
        else:
            self._backlog.put_back(
                Span(span.batch, index, index + 1) for index in range(span.start, span.stop)
            )

    def _enforce_limits(self) -> None:
        """End spans that exceed their time limit, and set when to check again."""
        self.due_seconds = inf
        now = time.monotonic()
        for run in list(self._runs.values()):
            found = run.find_limit()
            if found is None or run.task is None:
                continue
            limit, over = found
            if over > now:
                self.due_seconds = min(self.due_seconds, over)
                continue
            del self._runs[run.number]
            run.task.cancel()
            self.tally.restarts[TIMEOUT] += 1
            self._charge_timeout(run, limit, now)

    def _charge_timeout(self, run: RemoteRun, limit: float, now: float) -> None:
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
        self._settling.fail(charged, TIMEOUT, message, seconds=now - run.since, signal="SIGKILL")

    def _hear(self, packed: bytes) -> None:
        """Read the news of a running span; invalid news is ignored."""
        try:
            news = msgspec.msgpack.decode(packed, type=SpanNews)
        except msgspec.MsgspecError:
            return
        if news.worker != self._name:
            return
        self._take_lines(news.lines)
        if run := self._runs.get(news.run):
            run.note_news(news)
        self._on_news()

    def _take_lines(self, lines: list[TaskLine]) -> None:
        self._lines += lines
        for line in lines:
            self._show(line)
