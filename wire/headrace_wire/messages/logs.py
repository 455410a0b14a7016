"""Messages with the log lines of a job's tasks, as workers send them and as clients read them."""

from __future__ import annotations

from typing import Annotated

from headrace_wire.bounds import Count, Index, JobId, Moment, OptionalLabel, Seconds, Text
from headrace_wire.message import Message
from headrace_wire.messages.spans import Entries, NamedTasks


class LogLine(Message):
    """A line that a task logged or printed.

    ``level`` is a word such as "info"; "print" and "stderr" are lines written to standard output
    and standard error. ``attempt`` is 0 if not known.
    """

    at: Moment
    level: OptionalLabel
    worker: OptionalLabel
    index: Index
    text: Text
    attempt: Count = 0


class JobLines(Message):
    """Log lines of one job's tasks."""

    job: JobId
    lines: Annotated[tuple[LogLine, ...], Entries]


class LogRequest(Message):
    """A request for a job's log lines past ``cursor`` (0 at first, then as in the last answer)."""

    job: JobId
    cursor: Count
    wait_seconds: Seconds


class LogPage(Message):
    """Log lines past a cursor, the oldest first.

    ``dropped`` is how many of the oldest lines of the job are not kept. ``complete`` means that the
    job is final and has no more lines.
    """

    lines: Annotated[tuple[LogLine, ...], NamedTasks]
    cursor: Count
    dropped: Count
    complete: bool
