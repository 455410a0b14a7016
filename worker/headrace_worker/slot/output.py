"""Collects, line by line, what tasks print and log, and their warnings.

    print ─────► TaskStream ─ whole lines ─► TaskOutput ─► TaskNews ─► pool ─► headrace logs
    warnings, logging ───────────────────────────┘  └─► the worker's standard error

``current_task().log`` does not need this. ``sys.stdout`` and ``sys.stderr`` are replaced, but not
the descriptors below them: what C code and child processes write goes to the worker's standard
error unchanged. A task that prints nothing is not slowed down. No lock is held while a line is
passed on, so a thread, a signal handler or a finalizer may print at any moment.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import sys
import time
import warnings
from collections.abc import Callable
from threading import get_ident
from types import CodeType
from typing import Any, BinaryIO, TextIO, cast

from headrace_services.task import (
    MAX_LEVEL_CHARACTERS,
    MAX_TEXT_BYTES,
    Task,
    TaskCodeHandler,
    cut_text,
)
from headrace_wire.bounds import fit_name
from headrace_wire.log_format import LogFormat, write_local_time, write_moment, write_object
from headrace_wire.printing import clean_line, indent
from headrace_wire.system.forking import call_after_fork
from headrace_worker.slot.bytes_beneath import BytesBeneath
from headrace_worker.slot.task_news import TaskNews

#: The levels of lines that a task writes to its standard output and standard error.
PRINTED = "print"
PRINTED_AS_ERROR = "stderr"

#: How many characters are kept of a line that has not ended; more would be cut off in any case.
MAX_HELD_CHARACTERS = MAX_TEXT_BYTES + 1

#: The code in which a handler of the standard library's logging writes a record.
_EMIT: CodeType = cast("Any", logging.StreamHandler).emit.__code__

#: The signature of ``warnings.showwarning``.
ShowWarning = Callable[..., None]


class TaskOutput:
    """Passes lines on to the log of the job whose task runs, and to the worker's own log.

    ``stream`` is the standard error of the worker, whose name is ``worker``.
    """

    def __init__(
        self, news: TaskNews, stream: io.TextIOWrapper, log_format: LogFormat, worker: str
    ) -> None:
        self._news = news
        self._stream = stream
        self._format = format_text if log_format == "text" else format_json
        self._worker = worker
        self._show_warning: ShowWarning = warnings.showwarning
        #: The part of a line that has been written and has not ended, by thread and stream.
        self.held: dict[tuple[int, str], str] = {}
        #: The streams that pass on what is written.
        self.streams: list[TaskStream] = []
        #: Whether this is a copy of the slot, made by a task; its output belongs to no task.
        self.is_copy = False

    def catch(self) -> None:
        """Collect what is written in this process from now on."""
        self._news.show = self.show
        for name, level in (("stdout", PRINTED), ("stderr", PRINTED_AS_ERROR)):
            original = getattr(sys, name)
            if isinstance(original, io.TextIOWrapper):
                setattr(sys, name, TaskStream(self, cast("io.TextIOWrapper", original), level))
        # A program's own settings of logging and warnings override these, as they do elsewhere.
        logging.lastResort = _RecordHandler(self)
        warnings.showwarning = self._warn
        call_after_fork(self._become_copy)

    def end_task(self) -> None:
        """Pass on the lines and bytes that a task has not ended."""
        for thread, level in list(self.held):
            if text := see_line(self.held.pop((thread, level), "")):
                self.say(level, text)
        for stream in self.streams:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()

    def say(self, level: str, text: str) -> None:
        """Pass on text that belongs together, such as a line, or a record with its traceback."""
        at = time.time()
        text = cut_text(text)
        task = self._news.find_speaker()
        if task is not None:
            self._news.keep(task, at, level, text)
        self.show(task, at, level, text)

    def show(self, task: Task | None, at: float, level: str, text: str) -> None:
        """Write text to the worker's log."""
        line = self._format(task, at, level, text, self._worker)
        # A worker whose standard error is closed continues, and so do its tasks.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")

    def _warn(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None or self.is_copy:
            self._show_warning(message, category, filename, lineno, file, line)
        else:
            text = warnings.formatwarning(message, category, filename, lineno, line)
            self.say("warning", text.rstrip("\n"))

    def _become_copy(self) -> None:
        self.is_copy = True
        self.held.clear()
        self._news.show = None


class TaskStream(io.TextIOWrapper):
    """``sys.stdout`` or ``sys.stderr`` of a slot, which writes to the file of the original.

    If a task closes or detaches it, it stays open for the next task.
    """

    def __init__(self, output: TaskOutput, original: io.TextIOWrapper, level: str) -> None:
        self._output = output
        self._level = level
        bytes_beneath = BytesBeneath(original, self._note_bytes)
        super().__init__(bytes_beneath, original.encoding, "backslashreplace", line_buffering=True)
        output.streams.append(self)

    def isatty(self) -> bool:
        """Return False, even if the worker's own stream is a terminal, because lines go to a
        log.
        """
        return False

    def close(self) -> None:
        """Write the buffered text, and stay open."""
        self.flush()

    def detach(self) -> BinaryIO:
        """Write the buffered text. Returns the buffer, which stays attached."""
        self.flush()
        return cast("BinaryIO", self.buffer)

    def write(self, text: str, /) -> int:
        """Write text. Lines are passed on when they end."""
        output, place = self._output, (get_ident(), self._level)
        if output.is_copy or not isinstance(cast("object", text), str):
            return super().write(text)  # raises TypeError if it is not a str
        if "\n" not in text:
            output.held[place] = see_line(output.held.get(place, "") + text, ended=False)
            return len(text)
        record = _find_record()
        if record is not None:
            # Programs may name levels as they like.
            level = fit_name(record.levelname.lower(), MAX_LEVEL_CHARACTERS)
            output.say(level, text.removesuffix("\n").rstrip("\r"))
            return len(text)
        *lines, rest = (output.held.pop(place, "") + text).split("\n")
        for line in lines:
            output.say(self._level, see_line(line))
        if rest:
            output.held[place] = see_line(rest, ended=False)
        return len(text)

    def _note_bytes(self) -> None:
        # These bytes are no line, but the stream has to be flushed when the task ends.
        if not self._output.is_copy:
            self._output.held.setdefault((get_ident(), self._level), "")


class _RecordHandler(TaskCodeHandler):
    """Passes on the records of a program that has not configured logging."""

    def __init__(self, output: TaskOutput) -> None:
        super().__init__(logging.WARNING)  # like the standard library's handler of last resort
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on. Errors are shown, not raised."""
        try:
            text = self.format(record)
            if self._output.is_copy:
                sys.stderr.write(f"{text}\n")
            else:
                level = fit_name(record.levelname.lower(), MAX_LEVEL_CHARACTERS)
                self._output.say(level, text)
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)


def _find_record() -> logging.LogRecord | None:
    """Return the record that the standard library's logging is writing to a stream now."""
    frame = inspect.currentframe()
    caller = frame and frame.f_back and frame.f_back.f_back
    if not caller or caller.f_code is not _EMIT:
        return None
    record: Any = caller.f_locals.get("record")
    return record if isinstance(record, logging.LogRecord) else None


def see_line(line: str, *, ended: bool = True) -> str:
    r"""Return what a terminal would show of a line, where "\r" leads back to its beginning."""
    if ended:
        line = line.rstrip("\r")
    if "\r" in line:
        line = line[line.rstrip("\r").rfind("\r") + 1 :]
    return line[:MAX_HELD_CHARACTERS]


def format_text(task: Task | None, at: float, level: str, text: str, _: str) -> str:
    """Format the output of a task for the worker's log, for people."""
    head, _, rest = text.partition("\n")
    if task is not None:
        attempt = f" attempt {task.attempt}" if task.attempt > 1 else ""
        head = f"job {task.job} task {task.index}{attempt}: {head}"
    line = clean_line(f"{write_local_time(at)} {level.upper():<7} {head}")
    return f"{line}\n{indent(rest)}" if rest else line


def format_json(task: Task | None, at: float, level: str, text: str, worker: str) -> str:
    """Format the output of a task for the worker's log, for programs."""
    shown: dict[str, object] = {
        "time": write_moment(at), "level": level, "message": text, "logger": "task",
        "worker": worker,
    }  # fmt: skip
    if task is not None:
        shown |= {"job": task.job, "task": task.index, "attempt": task.attempt}
    return write_object(shown)
