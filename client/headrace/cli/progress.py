"""Progress on standard error: a bar on a terminal, and very little elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from headrace.cli import printing
from headrace.cli.printing import tell
from headrace_wire.printing import clean_line

if TYPE_CHECKING:
    from headrace.cli.bar import Bar


class Progress:
    """Shows one bar at a time. Without a terminal it only says, once, that a job cannot start."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty() and not printing.is_plain_terminal()
        self._bar: Bar | None = None
        self._told = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self, label: str, length: int) -> None:
        """Start a bar of this length in place of the previous one."""
        self.close()
        if self._terminal:
            from headrace.cli.bar import Bar  # noqa: PLC0415 - rich is only for terminals

            self._bar = Bar(clean_line(label), length)
            printing.set_bar(self._bar)

    def update(self, position: int, waiting_for: str = "") -> None:
        """Move the bar, and show what the job waits for, if it does."""
        if self._bar is not None:
            self._bar.update(position, clean_line(waiting_for))
        else:
            self._tell_once(waiting_for)

    def tell_waiting(self, waiting_for: str) -> None:
        """Show what the job waits for, without moving the bar."""
        if self._bar is not None:
            self._bar.note_waiting(clean_line(waiting_for))
        else:
            self._tell_once(waiting_for)

    def open_output(self) -> BinaryIO:
        """Return standard output. If it is a terminal, the bar ends before the first result."""
        stream = sys.stdout.buffer
        if self._terminal and sys.stdout.isatty():
            return cast("BinaryIO", _AfterBar(stream, self.close))
        return stream

    def close(self) -> None:
        """End the bar and leave the terminal's line."""
        if self._bar is not None:
            printing.set_bar(None)
            self._bar.close()
            self._bar = None

    def _tell_once(self, waiting_for: str) -> None:
        if waiting_for and waiting_for != self._told:
            tell(f"headrace: waiting: {waiting_for}")
        self._told = waiting_for


class _AfterBar:
    """A stream to which nothing is written before the bar has ended."""

    def __init__(self, stream: BinaryIO, end_bar: Callable[[], None]) -> None:
        self._stream = stream
        self._end_bar = end_bar

    def write(self, content: bytes) -> int:
        self._end_bar()
        return self._stream.write(content)

    def writelines(self, lines: Iterable[bytes]) -> None:
        self._end_bar()
        self._stream.writelines(lines)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
