"""What tasks log and print on its way to the coordinator: bounded, whatever the tasks do."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from headrace_wire.allowance import Allowance
from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, fit_name
from headrace_wire.messages import JobLines, LogLine
from headrace_worker.link.messages import TaskLine

#: Lines, and bytes of them, that wait for the next report; the oldest are dropped.
WAITING_LINES = 5000
WAITING_BYTES = 4 << 20


#: Lines that a worker reports however fast they come, how many more in a second, and room for how
#: many there is before it goes on: what is beyond is dropped.
LINES_AT_ONCE = 10_000
LINES_PER_SECOND = 500
LINES_PAUSED_FOR = 250


class LineBox:
    """Lines that wait for the next report. Not thread safe."""

    def __init__(self, worker: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._worker = worker
        self._clock = clock
        self._allowance = Allowance(LINES_AT_ONCE, LINES_PER_SECOND, clock(), LINES_PAUSED_FOR)
        self._lines: deque[TaskLine] = deque()
        self._bytes = 0
        self._dropped: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._lines) + len(self._dropped)

    def add(self, lines: Iterable[TaskLine]) -> None:
        """Take lines in, dropping and counting those that come too fast, and the oldest where too
        many wait.
        """
        now = self._clock()
        for line in lines:
            if not self._allowance.take(now):
                self._dropped[line.job] += 1
                continue
            self._lines.append(line)
            self._bytes += len(line.text)
            while len(self._lines) > WAITING_LINES or self._bytes > WAITING_BYTES:
                oldest = self._lines.popleft()
                self._bytes -= len(oldest.text)
                self._dropped[oldest.job] += 1

    def take(self) -> tuple[JobLines, ...]:
        """Take all lines out, by job."""
        jobs: dict[str, list[LogLine]] = {job: [] for job in self._dropped}
        for line in self._lines:
            level = fit_name(line.level, MAX_IDENTIFIER_CHARACTERS)  # a program names its own
            told = LogLine(line.at, level, self._worker, line.index, line.text, line.attempt)
            jobs.setdefault(line.job, []).append(told)
        taken = tuple(
            JobLines(job, tuple(lines), self._dropped[job]) for job, lines in jobs.items()
        )
        self._lines.clear()
        self._bytes = 0
        self._dropped.clear()
        return taken
