"""The reporter sends outcomes, log lines and samples to the result queue.

    feeder ─ add(events) ─► pending ─► one report for all that arrived while the last one was sent,
                                      or shortly after it, if there will be more

One report is sent at a time, or several if the coordinator is far away. Outcomes of a job then wait
for its log lines that are being sent.

Nothing is forgotten before it is acknowledged: a report that cannot be delivered or committed is
sent again. A report that is refused is split until the invalid part is isolated (see ``parcel``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf

from msgspec.structs import replace

from headrace_services.permits import RefusedError
from headrace_wire.api import ResultQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.errors import StoreError, is_final
from headrace_wire.log_format import about
from headrace_wire.messages.failures import REFUSED, TaskFailure
from headrace_wire.messages.logs import JobLines
from headrace_wire.messages.reports import DoneSpan, Receipt, Report, ReturnedSpan, Sample
from headrace_wire.messages.workers import WorkerInfo
from headrace_wire.tracing import open_span
from headrace_wire.window import Window
from headrace_wire.words import count
from headrace_worker.holdings import Holdings
from headrace_worker.lines import LineBox
from headrace_worker.link.messages import TaskLine
from headrace_worker.parcel import Item, Parcel, measure, substitute
from headrace_worker.pool.batch import Event, count_tasks
from headrace_worker.pool.tally import Tally
from headrace_worker.wake import wait_until

log = logging.getLogger(__name__)

#: The maximum number of bytes of values in one report; a single span may be larger.
MAX_REPORT_BYTES = 4 << 20

#: The maximum number of spans and failures in one report.
MAX_REPORT_EVENTS = 5000

#: The error of a service that is not allowed to run a task here.
REFUSAL = f"{RefusedError.__module__}.{RefusedError.__qualname__}"

#: Seconds between attempts if the coordinator's store cannot be written.
STORE_PAUSE_SECONDS = 1.0

#: Seconds between two reports while there will be more to report, and how many bytes of values do
#: not wait that long.
REPORT_SECONDS = 0.01
URGENT_BYTES = 256 << 10

#: While other reports are being sent, one more is sent when there are this many bytes for each of
#: them, or enough for a whole report, or when this fraction of a round trip has passed since the
#: last one.
SHARE_BYTES = 512 << 10
SOONEST_SHARE = 4

#: How many seconds log lines wait for others, or for an outcome.
LINES_SECONDS = 0.1


@dataclass
class Reporter:
    """``wanted`` is set whenever a report has been acknowledged, because more work may be wanted
    then.
    """

    results: AsyncCaller[ResultQueueApi]
    info: WorkerInfo
    holdings: Holdings
    tally: Tally
    wanted: asyncio.Event
    window: Window
    #: Bytes of values that are not acknowledged yet.
    pending_bytes: int = 0

    def __post_init__(self) -> None:
        self._number = 0
        self._pending: deque[Event] = deque()
        self._lines = LineBox(self.info.name)
        self._changed = asyncio.Event()
        self._delivered = asyncio.Event()
        self._more = False
        self._next_seconds = 0.0
        self._lines_due_seconds = 0.0
        self._sent_seconds = 0.0
        self._unsent_bytes = 0
        self._number_under_way = 0
        self._under_way: dict[int, list[Event]] = {}
        #: The jobs whose lines are being sent, for each report.
        self._lines_under_way: dict[int, set[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    def add(self, events: Sequence[Event], *, more: bool = False) -> None:
        """Report events: soon if there will be ``more``, and otherwise at once."""
        self._pending += events
        size = sum(map(measure, events))
        self.pending_bytes += size
        self._unsent_bytes += size
        self._more = more
        self._changed.set()

    def add_lines(self, lines: Sequence[TaskLine]) -> None:
        """Report log lines, at the latest with the next outcome."""
        if not self._lines:
            self._lines_due_seconds = time.monotonic() + LINES_SECONDS
        self._lines.add(lines)
        self._changed.set()

    async def finish(self, deadline: float) -> bool:
        """Wait until everything is acknowledged. Return False if the monotonic ``deadline``
        passed.
        """
        while self._pending or self._lines or self._under_way:
            if not await wait_until(self._delivered, deadline):
                return False
        return True

    def list_unreported(self) -> list[DoneSpan]:
        """Return the spans that are done but not acknowledged, as far as is known."""
        events = (*chain(*self._under_way.values()), *self._pending)
        return [event for event in events if isinstance(event, DoneSpan)]

    async def run(self) -> None:
        """Report until cancelled. Raises HeadraceError if it is no use to continue."""
        try:
            while self._failure is None:
                moment = self._find_moment()
                if moment > time.monotonic():
                    await wait_until(self._changed, moment)
                elif self.window.size == 1:
                    await self._send_next()
                else:
                    task = asyncio.ensure_future(self._send_next())
                    self._tasks.add(task)
                    task.add_done_callback(self._end)
                    await asyncio.sleep(0)  # so that it takes what it sends
            raise self._failure
        finally:
            for task in self._tasks:
                task.cancel()

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._failure = self._failure or task.exception()
        self._changed.set()

    async def _send_next(self) -> None:
        """Send one report of what there is, and wait until it is committed."""
        begun = self._sent_seconds = time.monotonic()
        self._next_seconds = begun + REPORT_SECONDS
        lines: Sequence[JobLines] = () if self._lines_under_way else self._lines.take()
        events = self._take_pending()
        self._number_under_way += 1
        key = self._number_under_way
        self._under_way[key] = events
        if lines:
            self._lines_under_way[key] = {one.job for one in lines}
        await self._deliver([*lines, *events, *self.tally.drain()])
        self.window.note(time.monotonic() - begun)
        self._lines_under_way.pop(key, None)
        del self._under_way[key]
        self._release(events)
        self._delivered.set()
        self.wanted.set()

    async def _deliver(self, items: Sequence[Item]) -> None:
        """Deliver all items, in parts if they are refused as a whole."""
        waiting = [Parcel(items)]
        while waiting:
            parcel = waiting.pop()
            error = await self._send(parcel)
            if error is None:
                continue
            parts = parcel.split()
            if not parts and not parcel.tried:
                await asyncio.sleep(STORE_PAUSE_SECONDS)
                parts = [replace(parcel, tried=True)]
            waiting += (parts or self._give_up(parcel, error))[::-1]

    def _give_up(self, parcel: Parcel, error: Exception) -> list[Parcel]:
        """Return what replaces one item that was refused repeatedly."""
        (item,) = parcel.items
        match item:
            case JobLines():
                kind = "log lines"
            case Sample():
                kind = "metrics"
            case _:
                kind = "an outcome"
                attempt = self.holdings.find_attempt(item.lease)
                failed = None if parcel.last else substitute(item, attempt, error)
                if failed:
                    log.warning(
                        "the outcome of task %d could not be reported: %s",
                        failed.index,
                        error,
                        extra=about(failed.job, failed.index, failed.attempt),
                    )
                    return [Parcel([failed], last=True)]
        log.error("given up, as it could not be reported: %s: %s", kind, error)
        return []

    def _find_moment(self) -> float:
        """Return when the next report is to be sent, unless more arrives to be reported."""
        others = len(self._under_way)
        if others >= self.window.size:
            return inf
        lines_due = self._lines_due_seconds if self._lines and not self._lines_under_way else inf
        if not self._pending or self._waits_for_lines(self._pending[0]):
            return lines_due
        if others:
            # The more reports are being sent, the more has to be pending for another one; or it is
            # time.
            due = self._sent_seconds + self.window.round_trip.seconds / SOONEST_SHARE
            is_worth_it = self._unsent_bytes >= min(others * SHARE_BYTES, MAX_REPORT_BYTES)
            return 0.0 if is_worth_it else max(due, self._next_seconds)
        urgent = not self._more or self.pending_bytes >= URGENT_BYTES
        return 0.0 if urgent else self._next_seconds

    def _waits_for_lines(self, event: Event) -> bool:
        """Return whether lines of its job are being sent, which have to arrive before an
        outcome.
        """
        return any(event.job in jobs for jobs in self._lines_under_way.values())

    def _release(self, events: Sequence[Event]) -> None:
        for event in events:
            self.holdings.release(event.lease, count_tasks(event))
        self.pending_bytes -= sum(map(measure, events))

    def _take_pending(self) -> list[Event]:
        taken: list[Event] = []
        size = 0
        while self._pending and len(taken) < MAX_REPORT_EVENTS:
            one = measure(self._pending[0])
            if taken and size + one > MAX_REPORT_BYTES:
                break
            if self._lines_under_way and self._waits_for_lines(self._pending[0]):
                break
            size += one
            taken.append(self._pending.popleft())
        self._unsent_bytes -= size
        return taken

    def _make_report(self, number: int, parcel: Parcel) -> Report:
        items = parcel.items
        done = tuple(event for event in items if isinstance(event, DoneSpan))
        returned = tuple(event for event in items if isinstance(event, ReturnedSpan))
        logs = tuple(item for item in items if isinstance(item, JobLines))
        leases = (*(run.lease for run in done), *(run.lease for run in returned))
        return Report(
            worker=self.info.id,
            number=number,
            done=done,
            failures=tuple(self._sign(event) for event in items if isinstance(event, TaskFailure)),
            returned=returned,
            samples=tuple(item for item in items if isinstance(item, Sample)),
            logs=logs,
            held=self.holdings.find_granted(leases, (one.job for one in logs)),
        )

    def _sign(self, failure: TaskFailure) -> TaskFailure:
        """Add to a failure where it happened, and whether the task was refused."""
        reason = REFUSED if failure.error_type == REFUSAL else failure.reason
        return replace(failure, worker=self.info.name, reason=reason)

    async def _call(self, report: Report) -> Receipt:
        jobs = [*(run.job for run in report.done), *(one.job for one in report.failures)]
        first, *others = self.holdings.find_traces(jobs) or [""]
        if not first:
            return await self.results.call(ResultQueueApi.report, report)
        about: dict[str, str | int] = {"worker": self.info.name, "outcomes": len(jobs)}
        with open_span("headrace report", "CLIENT", about, parent=first, links=others):
            return await self.results.call(ResultQueueApi.report, report)

    async def _send(self, parcel: Parcel) -> Exception | None:
        """Send a report until it is committed. Return the error if it was refused."""
        self._number += 1
        number = self._number
        is_logged = False
        while True:
            try:
                receipt = await self._call(self._make_report(number, parcel))
            except StoreError as error:
                if not is_logged:  # this may last for hours
                    outcomes = sum(isinstance(item, Event) for item in parcel.items)
                    log.warning("kept %s: %s", count(outcomes, "outcome"), error)
                is_logged = True
                await asyncio.sleep(STORE_PAUSE_SECONDS)
            except Exception as error:
                if is_final(error):
                    raise
                return error
            else:
                if is_logged:
                    log.info("what was kept is reported")
                if receipt.dropped:
                    log.debug("%s had an outcome already", count(receipt.dropped, "task"))
                return None
