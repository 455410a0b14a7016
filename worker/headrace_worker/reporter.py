"""The reporter: one thread that sends outcomes, log lines and samples to the result queue.

    agent ─ add(events) ─► pending ─► one report for all that came while the last was under way,
                                      or not long ago, if there will be more

Nothing is forgotten before it is acknowledged: a report that cannot be delivered or committed is
sent again. Started by the agent; ``flush`` waits until all is acknowledged, ``stop`` ends it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from headrace_services.permits import RefusedError
from headrace_wire.api import ResultQueueApi
from headrace_wire.errors import HeadraceError, StoreError
from headrace_wire.messages import REFUSED, DoneRun, JobLines, Report, ReturnedRun, TaskFailure
from headrace_worker.holdings import Holdings
from headrace_worker.lines import LineBox
from headrace_worker.pool.batch import Done, Event, Failed, Returned
from headrace_worker.pool.news import TaskLine
from headrace_worker.tally import Tally

log = logging.getLogger(__name__)

#: Bytes of values in one report; a single run may be larger.
MAX_REPORT_BYTES = 4 << 20

#: Runs and failures in one report.
MAX_REPORT_EVENTS = 5000

#: What a service raises that is not allowed to do a task here.
REFUSAL = f"{RefusedError.__module__}.{RefusedError.__qualname__}"

#: Seconds between attempts when the coordinator's store cannot be written.
STORE_PAUSE_SECONDS = 1.0

#: Seconds from one report to the next while there will be more to tell, and bytes of values that
#: do not wait so long.
REPORT_SECONDS = 0.01
URGENT_BYTES = 256 << 10

#: Seconds for which log lines wait for others, or for an outcome.
LINES_SECONDS = 0.1


class Reporter:
    """``on_failure`` is called in the reporter's thread when it cannot go on.

    ``once`` is the result queue for a single short attempt, ``results`` for as many as it takes.
    """

    def __init__(
        self,
        results: ResultQueueApi,
        once: ResultQueueApi,
        worker: str,
        name: str,
        holdings: Holdings,
        on_failure: Callable[[HeadraceError], None],
    ) -> None:
        self._results = results
        self._once = once
        self._number = 0
        self._undelivered: tuple[Report, list[Event]] | None = None
        self._worker = worker
        self._name = name
        self._holdings = holdings
        self._on_failure = on_failure
        self._tally = Tally()
        self._restarts: Counter[str] = Counter()
        self._pending: deque[Event] = deque()
        self._pending_bytes = 0
        self._lines = LineBox(name)
        self._changed = threading.Condition()
        self._more = False
        self._next_seconds = 0.0
        self._sending = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def pending_bytes(self) -> int:
        """Bytes of values that are not acknowledged yet."""
        return self._pending_bytes

    def add(self, events: Sequence[Event], *, more: bool = False) -> None:
        """Have events reported: soon if ``more`` will come, and otherwise at once.

        That is by this thread, if no other report is under way; it waits for the acknowledgement,
        a moment at most.
        """
        if not more and self._report_at_once(events):
            return
        with self._changed:
            self._pending += events
            self._pending_bytes += _measure(events)
            self._more = more
            self._changed.notify_all()

    def add_lines(self, lines: Sequence[TaskLine]) -> None:
        """Have what tasks logged reported, at the latest with the next outcome."""
        with self._changed:
            self._lines.add(lines)
            self._changed.notify_all()

    def add_restarts(self, restarts: Mapping[str, int]) -> None:
        """Have slots that ended counted, with the next report."""
        with self._changed:
            self._restarts.update(restarts)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything added is acknowledged. False when it took too long."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not (self._is_due() or self._lines or self._sending), timeout_seconds
            )

    def stop(self) -> None:
        """End the thread after the report that is under way."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _run(self) -> None:
        try:
            while self._wait_for_pending():
                self._send_next()
        except HeadraceError as error:
            self._on_failure(error)
        except Exception as error:
            log.exception("the reporter failed")
            self._on_failure(HeadraceError(f"the worker's reporter failed: {error!r}"))

    def _wait_for_pending(self) -> bool:
        """Wait until there is something to report; False when the reporter is to end."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._sending and (self._is_due() or self._lines or self._stopped)
            )
            if not self._is_due():
                self._changed.wait_for(lambda: self._is_due() or self._stopped, LINES_SECONDS)
            pause = self._next_seconds - time.monotonic()
            if pause > 0:
                self._changed.wait_for(self._is_urgent, pause)
            self._next_seconds = time.monotonic() + REPORT_SECONDS
            return not self._stopped

    def _is_due(self) -> bool:
        return bool(self._pending or self._undelivered)

    def _is_urgent(self) -> bool:
        return not self._more or self._pending_bytes >= URGENT_BYTES or self._stopped

    def _report_at_once(self, events: Sequence[Event]) -> bool:
        """Report events in this thread. False: another thread has to, or is about to."""
        with self._changed:
            if self._sending or self._is_due() or self._lines or self._stopped:
                return False
            self._sending = True
            self._pending += events
            self._pending_bytes += _measure(events)
            report, taken = self._prepare()
        try:
            self._once.report(report)
        except HeadraceError as error:
            log.debug("a report has to be sent again: %s", error)
            with self._changed:
                self._undelivered = report, taken
                self._sending = False
                self._changed.notify_all()
        else:
            self._note_delivered(taken)
        return True

    def _send_next(self) -> None:
        with self._changed:
            self._sending = True
            report, events = self._undelivered or self._prepare()
        self._send(report)
        self._undelivered = None
        self._note_delivered(events)

    def _prepare(self) -> tuple[Report, list[Event]]:
        """The next report, of what is pending."""
        events = self._take_pending()
        logs = self._lines.take()
        self._tally.add_restarts(self._restarts)
        self._restarts.clear()
        self._number += 1
        return self._make_report(self._number, events, logs), events

    def _note_delivered(self, events: Sequence[Event]) -> None:
        for event in events:
            tasks = 1 if isinstance(event, Failed) else event.stop - event.start
            self._holdings.release(event.key, tasks)
        with self._changed:
            self._pending_bytes -= _measure(events)
            self._sending = False
            self._changed.notify_all()

    def _take_pending(self) -> list[Event]:
        taken: list[Event] = []
        size = 0
        while self._pending and size < MAX_REPORT_BYTES and len(taken) < MAX_REPORT_EVENTS:
            event = self._pending.popleft()
            size += len(event.values) if isinstance(event, Done) else 0
            taken.append(event)
        return taken

    def _make_report(self, number: int, events: list[Event], logs: tuple[JobLines, ...]) -> Report:
        done: list[DoneRun] = []
        failures: list[TaskFailure] = []
        returned: list[ReturnedRun] = []
        for event in events:
            job = self._holdings.find_job(event.job)
            match event:
                case Done():
                    self._tally.add_run(job.service, job.operation, event)
                    done.append(self._convert_run(event))
                case Failed():
                    self._tally.add_failure(job.service, job.operation, event)
                    failures.append(self._convert_failure(event))
                case Returned():
                    returned.append(ReturnedRun(event.key, event.job, event.start, event.stop))
        return Report(
            worker=self._worker,
            number=number,
            done=tuple(done),
            failures=tuple(failures),
            returned=tuple(returned),
            samples=self._tally.drain(),
            logs=logs,
        )

    @staticmethod
    def _convert_run(event: Done) -> DoneRun:
        return DoneRun(
            lease=event.key,
            job=event.job,
            start=event.start,
            stop=event.stop,
            values=event.values,
            cpu_seconds=event.cpu_seconds,
            busy_seconds=event.busy_seconds,
            counters=event.counters or {},
        )

    def _convert_failure(self, event: Failed) -> TaskFailure:
        return TaskFailure(
            lease=event.key,
            job=event.job,
            index=event.index,
            attempt=event.attempt,
            reason=REFUSED if event.error_type == REFUSAL else event.reason,
            signal=event.signal,
            error_type=event.error_type,
            message=event.message,
            traceback=event.traceback,
            summary=event.summary,
            worker=self._name,
            cpu_seconds=event.cpu_seconds,
            busy_seconds=event.busy_seconds,
            detail=event.detail,
        )

    def _send(self, report: Report) -> None:
        while True:
            try:
                receipt = self._results.report(report)
            except StoreError as error:
                log.warning("kept %d outcomes: %s", len(report.done), error)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, STORE_PAUSE_SECONDS)
                    if self._stopped:
                        raise
            else:
                if receipt.dropped:
                    log.debug("%d tasks had an outcome already", receipt.dropped)
                return


def _measure(events: Sequence[Event]) -> int:
    return sum(len(event.values) for event in events if isinstance(event, Done))
