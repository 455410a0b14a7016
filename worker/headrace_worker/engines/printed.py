"""Collects, line by line, what tasks print in a process of another cluster while a span runs.

Afterwards, standard output and standard error are the process's own again. Output of threads that
existed before the span is not collected.
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
    """Collects what is printed."""

    def end_task(self) -> None:
        """Report the last line of a task if it did not end it."""
        ...


@contextlib.contextmanager
def catch_printed(news: TaskNews) -> Generator[Printed]:
    """Report what is printed as lines of the task that is running."""
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
    """Standard output or error while a span runs, instead of ``original``."""

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
        """The encoding of the original stream."""
        return self._original.encoding

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the original's descriptor; what is written to it is not collected. Raises OSError
        if there is none.
        """
        return self._original.fileno()

    def flush(self) -> None:
        """Flush the original stream. Lines are reported when they end."""
        self._original.flush()

    def write(self, text: str, /) -> int:
        """Write text. What other threads write, or what is written between tasks, goes to the
        original.
        """
        if threading.get_ident() in self._others or self._news.find_speaker() is None:
            return self._original.write(text)
        *lines, rest = (self._held + text).split("\n")
        for line in lines:
            self._say(see_line(line))
        self._held = see_line(rest, ended=False)
        return len(text)

    def end_task(self) -> None:
        """Report the last line of a task if it did not end it."""
        held, self._held = self._held, ""
        if held := see_line(held):
            self._say(held)

    def _say(self, line: str) -> None:
        task = self._news.find_speaker()
        if task is not None:
            self._news.keep(task, time.time(), self._level, cut_text(line[:MAX_HELD_CHARACTERS]))
