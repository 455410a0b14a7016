"""The slot's side of what its tasks report besides their outcomes: progress, counters, lines.

    current_task() ─► TaskNews ─ lines, progress ─► Outbox (before the results) ─► pool
    TaskOutput ───────────┘└─ counters ──────► Outbox (with the outcomes of their tasks)

The cell tells which task runs, so a task that reports nothing is not slowed down. Lines and
progress leave a few times a second, and lines also with every outcome. The task's own thread sends
them if that is due, otherwise the slot's watch soon does. Any thread may call this, even one that
was interrupted while it was sending: nothing here waits for the outbox.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable

from headrace_services.task import Task
from headrace_wire.bounds import MAX_COUNTERS
from headrace_wire.token_bucket import TokenBucket
from headrace_worker.link.cell import ASKED, FINISHED, PREPARING, STARTED, STOP, Cell
from headrace_worker.link.messages import Lines, Progress, RunPiece, TaskLine

#: How often, in seconds, progress leaves the slot at most, and lines while a task runs.
NEWS_SECONDS = 0.2

#: When there are this many lines, they are sent at once.
FULL_LINES = 200

#: How many lines a slot may send at once, and then per second. When these are used up, lines are
#: dropped until there is room for as many as the third number. Dropped lines are reported.
LINES_AT_ONCE = 10_000
LINES_PER_SECOND = 200
LINES_PAUSED_FOR = 100

#: The text that reports dropped lines.
TOO_FAST = f"a slot sends {LINES_AT_ONCE:,} at once, and then {LINES_PER_SECOND} a second"

#: How many lines are kept while they cannot be sent; later ones are dropped.
KEPT_LINES = LINES_AT_ONCE

#: How many of the lines that were dropped last are sent after all if the task then fails.
LATE_LINES = 20

#: How many counters one task may increase: one more than a job may have, so that this is reported.
TASK_COUNTERS = MAX_COUNTERS + 1


class TaskNews:
    """A ``headrace_services.task.TaskHost``. Thread-safe.

    ``flush`` sends what is pending and returns whether it could; ``nudge`` requests that this is
    done soon.
    """

    def __init__(self, cell: Cell, flush: Callable[[], bool], nudge: Callable[[], None]) -> None:
        self._cell = cell
        self._flush = flush
        self._nudge = nudge
        self._job = ""
        self._attempt = 0
        self._shift = 0
        self._growth_lock = threading.RLock()
        self._growth: dict[int, dict[str, float]] = {}
        self._lines: deque[TaskLine] = deque()
        self._bucket = TokenBucket(
            LINES_AT_ONCE, LINES_PER_SECOND, time.monotonic(), LINES_PAUSED_FOR
        )
        self._left_out = 0
        self._left_out_of: Task | None = None
        self._late: deque[TaskLine] = deque(maxlen=LATE_LINES)
        self._lines_seconds = 0.0
        #: Writes a line to the worker's own log; None if the code that logs does that.
        self.show: Callable[[Task, float, str, str], object] | None = None
        self._progress: tuple[Task, float, float | None] | None = None
        self._progress_seconds = 0.0

    def begin(self, message: RunPiece) -> None:
        """Set the piece whose tasks run from now on."""
        self._job, self._attempt = message.job, message.attempt
        self._shift = message.start - message.number

    @property
    def has_news(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._lines) or self._progress is not None

    def find_task(self) -> Task | None:
        words = self._cell.words
        number = words[STARTED]
        if words[FINISHED] >= number or words[PREPARING]:
            return None
        return Task(self._job, number + self._shift, self._attempt, number)

    def find_speaker(self) -> Task | None:
        """Return the task that runs or is being prepared."""
        words = self._cell.words
        number = words[STARTED]
        if words[FINISHED] >= number:
            return None
        return Task(self._job, number + self._shift, self._attempt, number)

    def report_progress(self, task: Task, done: float, of: float | None) -> None:
        self._progress = (task, done, of)
        self._announce(self._progress_seconds)

    def count(self, task: Task, name: str, amount: float) -> None:
        with self._growth_lock:
            if not self._runs(task):
                return  # its outcome is being sent, so its threads cannot add anything
            growth = self._growth.setdefault(task.number, {})
            if name in growth or len(growth) < TASK_COUNTERS:
                growth[name] = min(growth.get(name, 0.0) + amount, sys.float_info.max)

    def is_cancelled(self, task: Task) -> bool:
        words = self._cell.words
        if self._runs(task):
            words[ASKED] = task.number
        return words[STOP] == task.number

    def log(self, task: Task, at: float, level: str, text: str) -> bool:
        self.keep(task, at, level, text)
        if self.show is None:
            return False
        self.show(task, at, level, text)
        return True

    def keep(self, task: Task, at: float, level: str, text: str) -> None:
        """Keep a line to be sent, unless lines come too fast."""
        line = TaskLine(task.job, task.index, task.attempt, at, level, text)
        if len(self._lines) >= KEPT_LINES or not self._bucket.take(time.monotonic()):
            self._left_out += 1
            self._left_out_of = task
            self._late.append(line)
            return
        self._tell_left_out(at)
        self._cell.last_words.add(line)
        self._lines.append(line)
        self._announce(0.0 if len(self._lines) >= FULL_LINES else self._lines_seconds)

    def take_growth(self, stop: int) -> dict[str, float]:
        """Take the growth of counters in finished tasks, whose numbers are below ``stop``."""
        total: dict[str, float] = {}
        if self._growth:
            with self._growth_lock:
                for number in [number for number in self._growth if number < stop]:
                    for name, amount in self._growth.pop(number).items():
                        total[name] = min(total.get(name, 0.0) + amount, sys.float_info.max)
        return total

    def note_failed(self, number: int) -> None:
        """Discard the growth of counters in a task that failed, and send its last lines."""
        with self._growth_lock:
            self._growth.pop(number, None)
        task = self._left_out_of
        if task is not None and task.number == number and self._late:
            about = (task.job, task.index, task.attempt)
            late = [one for one in self._late if (one.job, one.index, one.attempt) == about]
            if late:
                self._left_out -= len(late)
                self._tell_left_out(late[0].at)
                self._lines.extend(late)

    def take_news(self, now_seconds: float, *, outcomes: bool) -> list[Lines | Progress]:
        """Take what is to be sent now, before ``outcomes`` if there are any."""
        news: list[Lines | Progress] = []
        if outcomes:
            self._tell_left_out(time.time())
        if self._lines and (
            outcomes
            or now_seconds - self._lines_seconds >= NEWS_SECONDS
            or len(self._lines) >= FULL_LINES
        ):
            self._cell.last_words.clear()
            lines = [self._lines.popleft() for _ in range(len(self._lines))]
            news.append(Lines(lines))
            self._lines_seconds = now_seconds
        if self._progress and now_seconds - self._progress_seconds >= NEWS_SECONDS:
            (task, done, of), self._progress = self._progress, None
            if self._runs(task):
                news.append(Progress(task.job, task.index, done, of))
                self._progress_seconds = now_seconds
        return news

    def _tell_left_out(self, at: float) -> None:
        task, left_out = self._left_out_of, self._left_out
        self._late.clear()
        if task is not None and left_out:
            self._left_out = 0
            about = (task.job, task.index, task.attempt)
            self._lines.append(TaskLine(*about, at, "warning", TOO_FAST, left_out))

    def _announce(self, sent_seconds: float) -> None:
        if time.monotonic() - sent_seconds < NEWS_SECONDS or not self._flush():
            self._nudge()

    def _runs(self, task: Task) -> bool:
        words = self._cell.words
        return words[FINISHED] < task.number == words[STARTED]
