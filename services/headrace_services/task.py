"""The running task as its own code sees it: ``current_task()``.

    a task's code ─► Task ─► the slot's TaskHost ─► worker ─► coordinator

A task that does not call this costs nothing: the slot sets its host once, and the host only finds
out which task runs when it is asked.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Protocol

from msgspec import Struct

from headrace_wire.bounds import MAX_MOMENT, Label, check_value, fit_name, quote
from headrace_wire.printing import clean_line, indent, shorten_line
from headrace_wire.system.forking import call_after_fork

#: The maximum size of a log line's text in bytes. Longer texts are cut.
MAX_TEXT_BYTES = 4096

#: The maximum length of the name of a log line's level in characters.
MAX_LEVEL_CHARACTERS = 20

#: The end of a text that was cut.
CUT_MARK = "…"


class TaskHost(Protocol):
    """The slot, as a task needs it. It is called from any thread of the task's process."""

    def find_task(self) -> Task | None:
        """Return the running task; None between tasks and while a service prepares a job."""
        ...

    def report_progress(self, task: Task, done: float, of: float | None) -> None:
        """Report how far a task is."""
        ...

    def count(self, task: Task, name: str, amount: float) -> None:
        """Increase a counter, provided that the task's outcome is accepted."""
        ...

    def is_cancelled(self, task: Task) -> bool:
        """Return whether a task should end, and note that it asks."""
        ...

    def log(self, task: Task, at: float, level: str, text: str) -> bool:
        """Pass on a log line of a task, and return whether it is also in the worker's own log.

        ``at`` is Unix seconds.
        """
        ...


class TaskCounter(Struct, frozen=True):
    """One of a job's counters, as one of its tasks sees it."""

    task: Task
    name: str

    def add(self, amount: float = 1) -> None:
        """Increase it. Raises ValueError if the amount is negative, infinite or not a number."""
        grown = _read_amount(amount)
        if grown is None:
            what = quote(amount)
            raise ValueError(f"counter {self.name!r} grows by a number from 0 on, not by {what}")
        if _host is not None:
            _host.count(self.task, self.name, grown)


class Task(Struct, frozen=True):
    """A running task. ``number`` is only known to its slot; ``attempt`` is counted from 1."""

    job: str
    index: int
    attempt: int
    number: int

    def report_progress(self, done: float, of: float | None = None) -> None:
        """Report how far the task is: ``done`` of ``of``, or None if the whole is not known.

        You may call this as often as you like: the latest report is sent a few times per second.
        Raises ValueError if a number is negative, infinite or not a number.
        """
        amount, whole = _read_amount(done), None if of is None else _read_amount(of)
        if amount is None or (of is not None and whole is None):
            wrong = quote(done if amount is None else of)
            raise ValueError(f"progress is a number from 0 on, not {wrong}")
        if _host is not None:
            _host.report_progress(self, amount, whole)

    def counter(self, name: str) -> TaskCounter:
        """Return a counter of the job, which is made when it first grows.

        Raises ValueError for an invalid name.
        """
        try:
            return TaskCounter(self, check_value(Label, name, "a counter's name"))
        except TypeError as error:
            raise ValueError(str(error)) from None

    def cancelled(self) -> bool:
        """Return whether the task should end because nobody wants its outcome any more.

        A task that has called this gets a few seconds in which to end; others are killed at once.
        """
        return _host is not None and _host.is_cancelled(self)

    @property
    def log(self) -> TaskLog:
        """A logger whose lines can be read with ``headrace logs``."""
        return TaskLog(_logger, {"headrace_task": self})


class TaskLog(logging.LoggerAdapter[logging.Logger]):
    """A logger whose lines belong to a task."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the task, and keep what the caller adds."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


class TaskLogger(logging.Logger):
    """A logger outside of logging's tree, so that a program's own settings do not silence it."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name in logging
        """Return whether a level is enabled. There is no cache, because nobody would clear it."""
        return level >= self.level


class TaskCodeHandler(logging.Handler):
    """A handler of what a task's own code logs."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name in logging
        """Say in one line which call could not be logged and why.

        The call stack that logging itself shows consists of the slot's own functions.
        """
        if not logging.raiseExceptions:
            return
        error = sys.exc_info()[1]
        with suppress(Exception):  # standard error may be closed; a message may have no repr
            place = f"{record.pathname}, line {record.lineno}"
            said = f"{place}: this cannot be logged: {quote(record.msg)}: {error!r}"
            sys.stderr.write(f"{shorten_line(said)}\n")


class TaskHandler(TaskCodeHandler):
    """Passes lines on to the host.

    If the host keeps no log of its own, they are also written to standard error, without characters
    that control a terminal, and so that no line looks like two.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a line on. Errors are shown, but not raised."""
        try:
            task: Task = record.__dict__["headrace_task"]
            text = cut_text(self.format(record))
            if _host is not None:
                # A program may use any names for levels, and any times.
                level = fit_name(record.levelname.lower(), MAX_LEVEL_CHARACTERS)
                at = record.created if 0 <= record.created <= MAX_MOMENT else time.time()
                if _host.log(task, at, level, text):
                    return
            # A traceback may follow the message, in lines of its own.
            said = len(record.getMessage())
            line = clean_line(f"{record.levelname} task {task.index}: {text[:said]}")
            rest = text[said:].strip("\n")
            sys.stderr.write(f"{line}\n{indent(rest)}\n" if rest else f"{line}\n")
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)


def current_task() -> Task:
    """Return the running task. Raises RuntimeError if none is running here."""
    task = _host.find_task() if _host is not None else None
    if task is None:
        raise RuntimeError("current_task() was called outside of a task: no task runs here")
    return task


def host_tasks(host: TaskHost | None) -> None:
    """Set the host of this process's tasks; None if there is none any more."""
    global _host  # noqa: PLW0603 - a process has one host
    if host is not None:
        # A task's own child processes must not write to its slot's socket.
        call_after_fork(lambda: host_tasks(None))
    _host = host


def _read_amount(value: Any) -> float | None:
    """Return a number from 0 on; None for anything else, including infinity."""
    try:
        amount = math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return amount if 0 <= amount < math.inf else None


def cut_text(text: str) -> str:
    """Return a text that can be encoded, cut to MAX_TEXT_BYTES."""
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
