"""A slot's results on their way to the pool, many small ones in one message.

They are sent when there are enough of them, when some time has passed, and when a piece ends. A
result does not wait for a long task after it: the slot's watch (see ``slot``), which is another
thread, sends results that are overdue.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable

from headrace_wire.batch import pack_batch
from headrace_wire.samples import TASK_SECONDS_BOUNDS
from headrace_wire.system.rlimits import LIMITS
from headrace_worker.link.cell import Cell
from headrace_worker.link.channel import SlotEnd
from headrace_worker.link.failure import Failure
from headrace_worker.link.messages import PieceStopped, RunPiece, SlotMessage, TaskFailed, TasksDone
from headrace_worker.slot.task_news import TaskNews

#: Results are sent when this many seconds have passed since others were sent.
FLUSH_SECONDS = 0.01

#: Results are sent when they have this many bytes in total.
FLUSH_BYTES = 1 << 16


class Outbox:
    """Collects the results of one piece after the other. Thread-safe.

    ``news`` collects what tasks report besides results; ``nudge`` requests that it be sent soon.
    """

    def __init__(self, end: SlotEnd, cell: Cell, nudge: Callable[[], None]) -> None:
        self._end = end
        self.news = TaskNews(cell, self._flush_at_once, nudge)
        self._lock = threading.Lock()
        self._messages: list[SlotMessage] = []
        self._piece = 0
        self._start = 0
        self._shift = 0
        self._bytes = 0
        self._flushed_seconds = time.monotonic()
        self._cpu_seconds = _read_cpu_seconds()
        self._clear_run()

    def begin(self, message: RunPiece) -> None:
        """Begin a piece."""
        with self._lock:
            self._piece, self._start = message.piece, message.start
            self._shift = message.number - message.start
            self.news.begin(message)

    def add_done(self, value: bytes, seconds: float, now_seconds: float) -> None:
        """Add the value of the piece's next task."""
        with self._lock:
            if self._bytes and self._bytes + len(value) > FLUSH_BYTES:
                self._flush(now_seconds)  # a large value is sent alone
            self._values.append(value)
            self._bytes += len(value)
            self._busy_seconds += seconds
            self._durations[bisect_left(TASK_SECONDS_BOUNDS, seconds)] += 1
            if self._bytes >= FLUSH_BYTES or now_seconds - self._flushed_seconds >= FLUSH_SECONDS:
                self._flush(now_seconds)

    def add_failed(
        self, failure: Failure, summary: str, seconds: float, now_seconds: float
    ) -> None:
        """Add the failure of the piece's next task."""
        with self._lock:
            self._end_run()
            self.news.note_failed(self._start + self._shift)
            self._messages.append(
                TaskFailed(self._piece, self._start, failure, summary, 0.0, seconds)
            )
            self._start += 1
            self._bytes += len(failure.detail) + len(failure.traceback)
            if self._bytes >= FLUSH_BYTES or now_seconds - self._flushed_seconds >= FLUSH_SECONDS:
                self._flush(now_seconds)

    def stop(self) -> None:
        """Report that the piece ends before its next task, and send everything."""
        with self._lock:
            self._end_run()
            self._send(PieceStopped(self._piece, self._start))

    def send(self, message: SlotMessage) -> None:
        """Send a message at once, after everything that was collected."""
        with self._lock:
            self._end_run()
            self._send(message)

    def _send(self, message: SlotMessage) -> None:
        self._messages.append(message)
        self._flush(time.monotonic())

    def flush(self) -> None:
        with self._lock:
            self._flush(time.monotonic())

    def flush_overdue(self) -> None:
        """Send what was collected, if the task's own thread has not sent anything for a while."""
        with self._lock:
            now = time.monotonic()
            if now - self._flushed_seconds > FLUSH_SECONDS:
                self._flush(now)

    def _flush_at_once(self) -> bool:
        """Send everything, unless some thread is already sending, which may be this very thread."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            with contextlib.suppress(OSError):  # the pool is gone: the slot's own thread notices
                self._flush(time.monotonic())
        finally:
            self._lock.release()
        return True

    def _clear_run(self) -> None:
        self._values: list[bytes] = []
        self._busy_seconds = 0.0
        self._durations = [0] * (len(TASK_SECONDS_BOUNDS) + 1)

    def _end_run(self) -> None:
        if self._values:
            stop = self._start + len(self._values)
            self._messages.append(
                TasksDone(
                    self._piece,
                    self._start,
                    stop,
                    pack_batch(self._values),
                    self.news.take_growth(stop + self._shift),
                    0.0,
                    self._busy_seconds,
                    tuple(self._durations),
                )
            )
            self._start = stop
            self._clear_run()

    def _flush(self, now_seconds: float) -> None:
        self._end_run()
        self._flushed_seconds = now_seconds
        size_bytes, self._bytes = self._bytes, 0
        news = self.news.take_news(now_seconds, outcomes=bool(self._messages))
        if self._messages or news:
            self._charge_cpu()
            messages, self._messages = self._messages, []
            self._end.send(*news, *messages, largest_bytes=size_bytes)

    def _charge_cpu(self) -> None:
        # Asking the kernel after each task would cost more than a small task does, so the CPU time
        # since the last flush is divided among the tasks by their durations.
        timed = [one for one in self._messages if isinstance(one, TasksDone | TaskFailed)]
        if not timed:
            return
        now = _read_cpu_seconds()
        spent, self._cpu_seconds = now - self._cpu_seconds, now
        busy = sum(message.busy_seconds for message in timed)
        for message in timed:
            share = message.busy_seconds / busy if busy else 1 / len(timed)
            message.cpu_seconds = spent * share


def _read_cpu_seconds() -> float:
    if LIMITS is None:  # times(2) has a resolution of a hundredth of a second
        times = os.times()
        return time.process_time() + times.children_user + times.children_system
    children = LIMITS.getrusage(LIMITS.RUSAGE_CHILDREN)
    return time.process_time() + float(children.ru_utime + children.ru_stime)
