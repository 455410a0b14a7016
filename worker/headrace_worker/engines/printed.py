"""What tasks print in a process of another cluster: taken by line while a span runs.

Standard output and standard error are the process's own again afterwards. Threads that were there
before the span print where they did.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import time
from collections.abc import Generator
from typing import Protocol, TextIO

from msgspec import Struct

from headrace_services.task import cut_text
from headrace_worker.slot.output import MAX_HELD_CHARACTERS, PRINTED, PRINTED_AS_ERROR, see_line
from headrace_worker.slot.task_news import TaskNews


class Printed(Protocol):
    """What is caught of what is printed."""

    def end_task(self) -> None:
        """Tell what a task has left of lines that it has not ended."""
        ...


@contextlib.contextmanager
def catch_printed(news: TaskNews) -> Generator[Printed]:
    """Have what is printed told as lines of the task that runs."""
    others = frozenset(thread.ident for thread in threading.enumerate()) - {threading.get_ident()}
    both = _Both(
        PrintedLines(news, sys.stdout, PRINTED, others),
        PrintedLines(news, sys.stderr, PRINTED_AS_ERROR, others),
    )
    with contextlib.redirect_stdout(both.out), contextlib.redirect_stderr(both.error):
        yield both


class _Both(Struct, frozen=True):
    out: PrintedLines
    error: PrintedLines

    def end_task(self) -> None:
        self.out.end_task()
        self.error.end_task()


class PrintedLines(io.TextIOBase):
    """Standard output or error while a span runs, in place of ``original``."""

    def __init__(
        self, news: TaskNews, original: TextIO, level: str, others: frozenset[int | None]
    ) -> None:
        self._news = news
        self._original = original
        self._level = level
        self._others = others
        self._held = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # typeshed has it as an attribute
        """The encoding of the original."""
        return self._original.encoding

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def fileno(self) -> int:
        """The original's: what is written there is not taken. Raises OSError where it has none."""
        return self._original.fileno()

    def flush(self) -> None:
        """Flush the original; lines are told when they end."""
        self._original.flush()

    def write(self, text: str, /) -> int:
        """Take some text in. What other threads write, or between tasks, goes to the original."""
        if threading.get_ident() in self._others or self._news.find_speaker() is None:
            return self._original.write(text)
        *lines, rest = (self._held + text).split("\n")
        for line in lines:
            self._say(see_line(line))
        self._held = see_line(rest, ended=False)
        return len(text)

    def end_task(self) -> None:
        """Tell what a task has left of a line that it has not ended."""
        held, self._held = self._held, ""
        if held := see_line(held):
            self._say(held)

    def _say(self, line: str) -> None:
        task = self._news.find_speaker()
        if task is not None:
            self._news.keep(task, time.time(), self._level, cut_text(line[:MAX_HELD_CHARACTERS]))
