"""Log lines of tasks on their way to the coordinator: bounded, whatever the tasks do."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, fit_name
from headrace_wire.messages import JobLines, LogLine
from headrace_worker.link.messages import TaskLine

#: Lines, and bytes of them, that wait for the next report; the oldest are dropped.
WAITING_LINES = 5000
WAITING_BYTES = 4 << 20


class LineBox:
    """Lines that wait for the next report. Not thread safe."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._lines: deque[TaskLine] = deque()
        self._bytes = 0
        self._dropped: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, lines: Iterable[TaskLine]) -> None:
        """Take lines in, dropping and counting the oldest where they are too many."""
        for line in lines:
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
            told = LogLine(line.at, level, self._worker, line.index, line.text)
            jobs.setdefault(line.job, []).append(told)
        taken = tuple(
            JobLines(job, tuple(lines), self._dropped[job]) for job, lines in jobs.items()
        )
        self._lines.clear()
        self._bytes = 0
        self._dropped.clear()
        return taken
