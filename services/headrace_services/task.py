"""The task that runs here, as its own code sees it: ``current_task()``.

    a task's code ─► Task ─► the slot's TaskHost ─► worker ─► coordinator

Nothing is done for tasks that do not ask: the slot says once who its host is, and the host finds
out which task runs when somebody wants to know.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Protocol

from msgspec import Struct

from headrace_wire.bounds import MAX_MOMENT, Label, check_value, fit_name, quote
from headrace_wire.forking import call_after_fork
from headrace_wire.printing import clean_line, indent

#: Bytes of a log line's text; what is longer is cut.
MAX_TEXT_BYTES = 4096

#: Characters of the word for how important a log line is.
MAX_LEVEL_CHARACTERS = 20

#: What stands at the end of a text that was cut.
CUT_MARK = "…"


class TaskHost(Protocol):
    """The slot, as a task needs it. Called from any thread of the task's process."""

    def find_task(self) -> Task | None:
        """The task that runs; None between tasks and while a service prepares a job."""
        ...

    def report_progress(self, task: Task, done: float, of: float | None) -> None:
        """Pass on how far a task is."""
        ...

    def count(self, task: Task, name: str, amount: float) -> None:
        """Let a counter grow, if the task's outcome is accepted."""
        ...

    def is_cancelled(self, task: Task) -> bool:
        """Tell whether a task had better end, and note that it asks."""
        ...

    def log(self, task: Task, at: float, level: str, text: str) -> bool:
        """Pass on a log line of a task, and tell whether it is in the worker's own log, too.

        ``at`` is Unix seconds.
        """
        ...


class TaskCounter(Struct, frozen=True):
    """One of a job's counters, as one of its tasks sees it."""

    task: Task
    name: str

    def add(self, amount: float = 1) -> None:
        """Let it grow. Raises ValueError for what is negative, infinite or no number."""
        grown = _read_amount(amount)
        if grown is None:
            what = quote(amount)
            raise ValueError(f"counter {self.name!r} grows by a number from 0 on, not by {what}")
        if _host is not None:
            _host.count(self.task, self.name, grown)


class Task(Struct, frozen=True):
    """A running task. ``number`` is its slot's own; ``attempt`` is counted from 1."""

    job: str
    index: int
    attempt: int
    number: int

    def report_progress(self, done: float, of: float | None = None) -> None:
        """Say how far it is: ``done`` of so many, or of nobody knows how many.

        Call it as often as you like: the latest word is passed on a few times a second. Raises
        ValueError for what is negative, infinite or no number.
        """
        told, whole = _read_amount(done), None if of is None else _read_amount(of)
        if told is None or (of is not None and whole is None):
            wrong = quote(done if told is None else of)
            raise ValueError(f"progress is a number from 0 on, not {wrong}")
        if _host is not None:
            _host.report_progress(self, told, whole)

    def counter(self, name: str) -> TaskCounter:
        """A counter of the job, made when it first grows. Raises ValueError for a wrong name."""
        try:
            return TaskCounter(self, check_value(Label, name, "a counter's name"))
        except TypeError as error:
            raise ValueError(str(error)) from None

    def cancelled(self) -> bool:
        """Tell whether nobody wants its outcome any more: it had better end.

        A task that has asked is given a few seconds to end in; others are killed at once.
        """
        return _host is not None and _host.is_cancelled(self)

    @property
    def log(self) -> TaskLog:
        """A logger; its lines reach ``headrace logs``."""
        return TaskLog(_logger, {"headrace_task": self})


class TaskLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines are a task's."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the task, and leave what the caller adds."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


class TaskLogger(logging.Logger):
    """A logger outside of logging's tree: a program's own settings there do not silence it."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - its name there
        """Tell whether lines of a level are wanted; asked each time, as nobody clears a cache."""
        return level >= self.level


class TaskHandler(logging.Handler):
    """Passes lines on to the host. Where that keeps no log of its own they are written to standard
    error, too: without what a terminal obeys, and so that none looks like two.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on; what goes wrong is shown, not raised."""
        try:
            task: Task = record.__dict__["headrace_task"]
            text = cut_text(self.format(record))
            if _host is not None:
                # A program may have named levels, and set times, as it liked.
                level = fit_name(record.levelname.lower(), MAX_LEVEL_CHARACTERS)
                at = record.created if 0 <= record.created <= MAX_MOMENT else time.time()
                if _host.log(task, at, level, text):
                    return
            # Beneath what was said there may be a traceback, in lines of its own.
            said = len(record.getMessage())
            line = clean_line(f"{record.levelname} task {task.index}: {text[:said]}")
            rest = text[said:].strip("\n")
            sys.stderr.write(f"{line}\n{indent(rest)}\n" if rest else f"{line}\n")
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)


def current_task() -> Task:
    """The task that runs here. Raises RuntimeError where none does."""
    task = _host.find_task() if _host is not None else None
    if task is None:
        raise RuntimeError("current_task() was called outside of a task: no task runs here")
    return task


def host_tasks(host: TaskHost | None) -> None:
    """Say who hosts the tasks of this process, or that nobody does any more."""
    global _host  # noqa: PLW0603 - a process has one host
    if host is not None:
        # A task's own children must not speak on its slot's socket.
        call_after_fork(lambda: host_tasks(None))
    _host = host


def _read_amount(value: Any) -> float | None:
    """A number from 0 on; None for anything else, also what is too large to be told."""
    try:
        amount = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return amount if 0 <= amount < math.inf else None


def cut_text(text: str) -> str:
    """A text of at most MAX_TEXT_BYTES that can be encoded."""
    body = text.encode(errors="backslashreplace")
    if len(body) <= MAX_TEXT_BYTES:
        return body.decode()
    room = MAX_TEXT_BYTES - len(CUT_MARK.encode())
    return body[:room].decode(errors="ignore") + CUT_MARK


def _make_logger() -> logging.Logger:
    logger = TaskLogger("headrace.task", logging.INFO)
    logger.addHandler(TaskHandler())
    return logger


_host: TaskHost | None = None
_logger = _make_logger()
