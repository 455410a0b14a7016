"""What tasks print, are warned of and log without ``current_task().log``, line by line.

    print ─────► TaskStream ─ whole lines ─► TaskOutput ─► TaskNews ─► pool ─► headrace logs
    warnings, logging ───────────────────────────┘  └─► the worker's standard error

``sys.stdout`` and ``sys.stderr`` are replaced, and not what is beneath them: what C code and child
processes write goes to the worker's standard error as it is. A task that prints nothing costs
nothing here. No lock is held while a line is passed on, so a thread, a signal handler or a
finalizer may print at any moment.
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

from headrace_services.task import MAX_LEVEL_CHARACTERS, MAX_TEXT_BYTES, Task, cut_text
from headrace_wire.bounds import fit_name
from headrace_wire.forking import call_after_fork
from headrace_wire.log_format import LogFormat, write_local_time, write_moment, write_object
from headrace_wire.printing import clean_line, indent
from headrace_worker.slot.bytes_beneath import BytesBeneath
from headrace_worker.slot.task_news import TaskNews

#: Words for the level of lines that a task writes to its standard output and standard error.
PRINTED = "print"
PRINTED_AS_ERROR = "stderr"

#: Characters that are held of a line that does not end; more would be cut in any case.
MAX_HELD_CHARACTERS = MAX_TEXT_BYTES + 1

#: Where a handler of the standard library's logging writes a record.
_EMIT: CodeType = cast("Any", logging.StreamHandler).emit.__code__

#: What ``warnings.showwarning`` is called with.
ShowWarning = Callable[..., None]


class TaskOutput:
    """Passes lines on: to the log of the job whose task runs, and to the worker's own.

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
        #: By thread and stream, what was written of a line that has not ended.
        self.held: dict[tuple[int, str], str] = {}
        #: Those that pass on what is written.
        self.streams: list[TaskStream] = []
        #: In a copy of the slot, which a task has made: it speaks for no task.
        self.is_copy = False

    def catch(self) -> None:
        """Catch, from now on, what is written in this process."""
        self._news.show = self.show
        for name, level in (("stdout", PRINTED), ("stderr", PRINTED_AS_ERROR)):
            original = getattr(sys, name)
            if isinstance(original, io.TextIOWrapper):
                setattr(sys, name, TaskStream(self, cast("io.TextIOWrapper", original), level))
        # A program's own settings of logging and warnings come before these, as they do elsewhere.
        logging.lastResort = _RecordHandler(self)
        warnings.showwarning = self._warn
        call_after_fork(self._become_copy)

    def end_task(self) -> None:
        """Pass on what a task has left of lines that it has not ended, and of bytes."""
        for thread, level in list(self.held):
            if text := see_line(self.held.pop((thread, level), "")):
                self.say(level, text)
        for stream in self.streams:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()

    def say(self, level: str, text: str) -> None:
        """Pass on what belongs together, such as a line, or a record and its traceback."""
        at = time.time()
        text = cut_text(text)
        task = self._news.find_speaker()
        if task is not None:
            self._news.keep(task, at, level, text)
        self.show(task, at, level, text)

    def show(self, task: Task | None, at: float, level: str, text: str) -> None:
        """Write it to the worker's log."""
        line = self._format(task, at, level, text, self._worker)
        # A worker whose standard error is gone goes on, and so do its tasks.
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
    """``sys.stdout`` or ``sys.stderr`` of a slot, on what the original one writes to.

    A task that closes or detaches it leaves it open for the next one.
    """

    def __init__(self, output: TaskOutput, original: io.TextIOWrapper, level: str) -> None:
        self._output = output
        self._level = level
        bytes_beneath = BytesBeneath(original, self._note_bytes)
        super().__init__(bytes_beneath, original.encoding, "backslashreplace", line_buffering=True)
        output.streams.append(self)

    def isatty(self) -> bool:
        """Say that it is no terminal, also where the worker's own is one: lines are for a log."""
        return False

    def close(self) -> None:
        """Write what is left, and stay open."""
        self.flush()

    def detach(self) -> BinaryIO:
        """Write what is left. Returns the buffer, which stays attached."""
        self.flush()
        return cast("BinaryIO", self.buffer)

    def write(self, text: str, /) -> int:
        """Take some text in; lines are passed on when they end."""
        output, place = self._output, (get_ident(), self._level)
        if output.is_copy or not isinstance(cast("object", text), str):
            return super().write(text)  # which raises TypeError for what is no text
        if "\n" not in text:
            output.held[place] = see_line(output.held.get(place, "") + text, ended=False)
            return len(text)
        record = _find_record()
        if record is not None:
            # A program may have named levels as it liked.
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
        # Nothing of a line, but it has the end of the task looked to.
        if not self._output.is_copy:
            self._output.held.setdefault((get_ident(), self._level), "")


class _RecordHandler(logging.Handler):
    """Passes on the records of a program that has set up no logging of its own."""

    def __init__(self, output: TaskOutput) -> None:
        super().__init__(logging.WARNING)  # as the standard library's own handler of last resort
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on; what goes wrong is shown, not raised."""
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
    """The record that the standard library's logging is writing to a stream just now."""
    frame = inspect.currentframe()
    caller = frame and frame.f_back and frame.f_back.f_back
    if not caller or caller.f_code is not _EMIT:
        return None
    record: Any = caller.f_locals.get("record")
    return record if isinstance(record, logging.LogRecord) else None


def see_line(line: str, *, ended: bool = True) -> str:
    r"""What would be seen of a line on a terminal, where "\r" leads back to its beginning."""
    if ended:
        line = line.rstrip("\r")
    if "\r" in line:
        line = line[line.rstrip("\r").rfind("\r") + 1 :]
    return line[:MAX_HELD_CHARACTERS]


def format_text(task: Task | None, at: float, level: str, text: str, _: str) -> str:
    """Something that a task has said, in the worker's log for people."""
    head, _, rest = text.partition("\n")
    if task is not None:
        attempt = f" attempt {task.attempt}" if task.attempt > 1 else ""
        head = f"job {task.job} task {task.index}{attempt}: {head}"
    line = clean_line(f"{write_local_time(at)} {level.upper():<7} {head}")
    return f"{line}\n{indent(rest)}" if rest else line


def format_json(task: Task | None, at: float, level: str, text: str, worker: str) -> str:
    """The same in the worker's log for programs."""
    shown: dict[str, object] = {
        "time": write_moment(at), "level": level, "message": text, "logger": "task",
        "worker": worker,
    }  # fmt: skip
    if task is not None:
        shown |= {"job": task.job, "task": task.index, "attempt": task.attempt}
    return write_object(shown)
