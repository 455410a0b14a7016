"""How much of a job's log is kept, by report. The lines themselves are in the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from headrace_wire.messages import LogLine

#: Lines, and bytes of them, that are kept for one job; the oldest are dropped.
KEPT_LINES = 10_000
KEPT_BYTES = 4 << 20

#: Bytes that a line takes beside its text.
LINE_BYTES = 64


class LogPart(NamedTuple):
    """The lines of a job that came with one report: the worker's id and the report's number."""

    worker: str
    report: int


class JobLog:
    """Sizes of the parts that the store keeps, the oldest first."""

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
        """Drop the oldest parts as long as there is too much. Returns the dropped ones."""
        trimmed: list[LogPart] = []
        while self.lines > KEPT_LINES or self.size_bytes > KEPT_BYTES:
            part, (lines, size_bytes) = self._parts.popitem(last=False)
            self.lines -= lines
            self.size_bytes -= size_bytes
            self.dropped += lines
            trimmed.append(part)
        return trimmed


def measure_lines(lines: Iterable[LogLine]) -> int:
    """Return about how many bytes lines take."""
    return sum(len(line.text) + len(line.worker) + LINE_BYTES for line in lines)
