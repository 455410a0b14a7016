"""Limits the lines that tasks log and print on their way to the coordinator.

If lines are left out, here or in a slot, a line in their place says so.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, fit_name
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.token_bucket import TokenBucket
from headrace_wire.words import count
from headrace_worker.link.messages import TaskLine

#: How many lines a worker may report at once, and then per second. When these are used up, lines
#: are dropped until there is room for as many as the third number.
LINES_AT_ONCE = 10_000
LINES_PER_SECOND = 500
LINES_PAUSED_FOR = 250

#: The maximum number of lines, and of their bytes, that wait for the next report. The oldest are
#: dropped.
WAITING_LINES = LINES_AT_ONCE
WAITING_BYTES = 4 << 20

#: Why lines are left out.
TOO_FAST = f"a worker sends {LINES_AT_ONCE:,} at once, and then {LINES_PER_SECOND} a second"
TOO_MANY = (
    f"while the coordinator does not take them a worker keeps {WAITING_LINES:,} of them, or "
    f"{WAITING_BYTES >> 20} MiB"
)


class LineBox:
    """Lines that wait for the next report. Not thread-safe."""

    def __init__(self, worker: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._worker = worker
        self._clock = clock
        self._bucket = TokenBucket(LINES_AT_ONCE, LINES_PER_SECOND, clock(), LINES_PAUSED_FOR)
        self._lines: deque[TaskLine] = deque()
        self._bytes = 0
        #: By job, the lines that say how many were dropped because they came too fast, and how many
        #: because too many were waiting.
        self._too_fast: dict[str, TaskLine] = {}
        self._too_many: dict[str, TaskLine] = {}

    def __len__(self) -> int:
        return len(self._lines) + len(self._too_fast) + len(self._too_many)

    def add(self, lines: Iterable[TaskLine]) -> None:
        """Add lines. Lines that come too fast are dropped and counted, and so are the oldest ones
        if too many wait.
        """
        now = self._clock()
        for line in lines:
            if not self._bucket.take(now):
                _leave_out(self._too_fast, line, TOO_FAST)
                continue
            if self._too_fast and (gap := self._too_fast.pop(line.job, None)):
                self._append(gap)
            self._append(line)

    def take(self) -> tuple[JobLines, ...]:
        """Remove and return all lines, by job."""
        jobs: dict[str, list[LogLine]] = {}
        for line in (*self._too_many.values(), *self._lines, *self._too_fast.values()):
            level = fit_name(line.level, MAX_IDENTIFIER_CHARACTERS)  # any name is possible
            text = line.text
            if line.left_out:
                text = f"({count(line.left_out, 'line is', 'lines are')} left out: {text})"
            log_line = LogLine(line.at, level, self._worker, line.index, text, line.attempt)
            jobs.setdefault(line.job, []).append(log_line)
        for waiting in (self._too_many, self._lines, self._too_fast):
            waiting.clear()
        self._bytes = 0
        return tuple(JobLines(job, tuple(lines)) for job, lines in jobs.items())

    def _append(self, line: TaskLine) -> None:
        self._lines.append(line)
        self._bytes += len(line.text)
        while len(self._lines) > WAITING_LINES or self._bytes > WAITING_BYTES:
            oldest = self._lines.popleft()
            self._bytes -= len(oldest.text)
            _leave_out(self._too_many, oldest, TOO_MANY)


def _leave_out(gaps: dict[str, TaskLine], line: TaskLine, why: str) -> None:
    """Count a line that was left out, or the lines that it stands for, for its job."""
    gap = gaps.get(line.job)
    left_out = (gap.left_out if gap else 0) + (line.left_out or 1)
    gaps[line.job] = replace(line, level="warning", text=why, left_out=left_out)
