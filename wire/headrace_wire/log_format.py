"""The log of a coordinator or worker on standard error: lines for people, or JSON for programs.

The subject of a record is in separate fields, if it has them: ``job``, ``task``, ``attempt`` and
``worker``, passed as ``extra``.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import threading
import time
from types import TracebackType
from typing import Any, Literal

from headrace_wire.log_writer import LogWriter
from headrace_wire.printing import clean_line, indent
from headrace_wire.version import VERSION

#: The formats of the log, and the values of the option: "auto" is text only for a terminal.
LogFormat = Literal["text", "json"]
LOG_FORMATS = ("auto", "text", "json")

#: The fields for the subject of a record.
FIELDS = ("job", "task", "attempt", "worker")


_encode = json.JSONEncoder(default=str).encode


class _Latest:
    """A cache of the last formatted second, because many lines have the same."""

    second: tuple[int, str] = (-1, "")


_latest = _Latest()


class LineFormatter(logging.Formatter):
    """Formats a log record as one line, followed by an indented traceback, if any."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its name there
        """Return the line itself."""
        return clean_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - its name there
        """Return the lines of a traceback."""
        return indent(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802 - its name there
        """Return the lines of a stack."""
        return indent(super().formatStack(stack_info))


class JsonFormatter(logging.Formatter):
    """Formats a log record as a JSON object in one line. ``always`` are fields of every record."""

    def __init__(self, **always: str) -> None:
        super().__init__()
        self._always = always

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        shown: dict[str, object] = {
            "time": write_moment(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            **self._always,
        }
        shown |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            shown["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            shown["stack"] = self.formatStack(record.stack_info)
        return write_object(shown)


def write_object(shown: dict[str, object]) -> str:
    """Return a JSON object as one line that every JSON parser accepts."""
    line = _encode(shown)
    if "\\ud" in line:  # many parsers refuse a lone surrogate
        line = _encode({name: _mend(value) for name, value in shown.items()})
    return line


def write_moment(unix_seconds: float) -> str:
    """Format a time for people and programs, in UTC and with milliseconds."""
    moment = dt.datetime.fromtimestamp(unix_seconds, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def about(
    job: str = "", task: int | None = None, attempt: int | None = None, worker: str = ""
) -> dict[str, object]:
    """Return the subject of a record, to be passed as ``extra``."""
    fields: dict[str, object] = {"job": job, "task": task, "attempt": attempt, "worker": worker}
    return {name: value for name, value in fields.items() if value not in {None, ""}}


def write_local_time(unix_seconds: float) -> str:
    """Format a time as in a log for people, as logging's own formatters do."""
    second = int(unix_seconds)
    known, written = _latest.second
    if known != second:
        written = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        _latest.second = (second, written)
    return f"{written},{int((unix_seconds - second) * 1000):03d}"


def choose_log_format(asked: str) -> LogFormat:
    """Return the format of this process's log."""
    if asked == "auto":
        return "text" if sys.stderr is not None and sys.stderr.isatty() else "json"
    return "json" if asked == "json" else "text"


def make_formatter(log_format: LogFormat, **always: str) -> logging.Formatter:
    """Make the formatter of a log. ``always`` are fields of every record, for programs."""
    if log_format == "json":
        return JsonFormatter(**always)
    return LineFormatter("%(asctime)s %(levelname)-7s %(message)s")


def start_logging(level: str, log_format: LogFormat = "text", **always: str) -> None:
    """Log to standard error, from this level on."""
    handler = _make_handler()
    handler.setFormatter(make_formatter(log_format, **always))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    if log_format == "json":
        # Python's own warnings would be lines that are not JSON, several for each warning.
        logging.captureWarnings(capture=True)
        sys.excepthook = log_uncaught
        threading.excepthook = lambda gone: log_uncaught(
            gone.exc_type, gone.exc_value or Exception(gone.exc_type.__name__), gone.exc_traceback
        )
    logging.getLogger(__name__).debug("headrace %s", VERSION)


def _make_handler() -> logging.Handler:
    if sys.stderr is None:  # it was closed when the program was started
        return logging.NullHandler()
    try:
        return LogWriter(sys.stderr.fileno())
    except (OSError, ValueError):  # a stream in memory
        return logging.StreamHandler(sys.stderr)


def flush_log() -> None:
    """Write what was logged before anything else is written to standard error."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log an uncaught exception, as ``sys.excepthook`` would print it."""
    name = threading.current_thread().name
    logging.getLogger(__name__).critical("uncaught in %s", name, exc_info=(kind, error, trace))


def log_end(line: str) -> bool:
    """Log why this process ends, if it has a log for programs. Returns False if it has none."""
    root = logging.getLogger()
    flush_log()
    if not any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        return False
    root.critical("%s", line)
    return True


def _mend(value: object) -> object:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
