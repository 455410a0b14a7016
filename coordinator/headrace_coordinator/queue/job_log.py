"""How much of a job's log is kept, by report. The lines themselves are in the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from headrace_wire.bounds import LOG_BYTES_KEPT, LOG_LINES_KEPT
from headrace_wire.messages.logs import LogLine

#: The newest lines of a job are kept, up to this many lines or bytes. Older ones are dropped by
#: report, when they are not needed to reach these numbers, so that there may be up to twice as
#: many.
KEPT_LINES = LOG_LINES_KEPT
KEPT_BYTES = LOG_BYTES_KEPT

#: The size that is assumed for a line in addition to its text, in bytes.
LINE_BYTES = 64


class LogPart(NamedTuple):
    """The lines of a job that came with one report: the worker's id and the report's number."""

    worker: str
    report: int


class JobLog:
    """The sizes of the parts that the store keeps, the oldest first."""

    def __init__(self) -> None:
        self._parts: OrderedDict[LogPart, tuple[int, int]] = OrderedDict()
        self.lines = 0
        self.size_bytes = 0
        self.dropped = 0

    def __contains__(self, part: LogPart) -> bool:
        return part in self._parts

    def add(self, part: LogPart, lines: int, size_bytes: int) -> None:
        self._parts[part] = (lines, size_bytes)
        self.lines += lines
        self.size_bytes += size_bytes

    def trim(self) -> list[LogPart]:
        """Drop the oldest parts while enough is left. Returns the dropped ones."""
        trimmed: list[LogPart] = []
        while self._parts:
            part, (lines, size_bytes) = next(iter(self._parts.items()))
            if self.lines - lines < KEPT_LINES and self.size_bytes - size_bytes < KEPT_BYTES:
                break
            del self._parts[part]
            self.lines -= lines
            self.size_bytes -= size_bytes
            self.dropped += lines
            trimmed.append(part)
        return trimmed


def choose_newest(lines: tuple[LogLine, ...]) -> tuple[LogLine, ...]:
    """Return the lines of one report that are kept: all of them, unless there are too many."""
    size_bytes = 0
    for kept, line in enumerate(reversed(lines)):
        size_bytes += measure_lines([line])
        if kept == KEPT_LINES or size_bytes > KEPT_BYTES:
            return lines[len(lines) - kept :]
    return lines


def measure_lines(lines: Iterable[LogLine]) -> int:
    """Return the approximate size of lines, in bytes."""
    return sum(len(line.text) + len(line.worker) + LINE_BYTES for line in lines)
