"""Messages with the log lines of a job's tasks, as workers send them and as clients read them."""

from __future__ import annotations

from typing import Annotated

from headrace_wire.bounds import Count, Index, JobId, Moment, OptionalLabel, Seconds, Text
from headrace_wire.message import Message
from headrace_wire.messages.spans import Entries, NamedTasks


class LogLine(Message):
    """A line that a task logged or printed.

    ``level`` is a word such as "info"; "print" and "stderr" for what it wrote to standard output
    and to standard error. ``attempt`` 0 is not known.
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
    """Ask for a job's log lines past ``cursor`` (0 at first, then as the last answer said)."""

    job: JobId
    cursor: Count
    wait_seconds: Seconds


class LogPage(Message):
    """Log lines past a cursor, the oldest first.

    ``dropped`` lines of the job, the oldest ones, are not kept. ``complete``: the job is final and
    has no more.
    """

    lines: Annotated[tuple[LogLine, ...], NamedTasks]
    cursor: Count
    dropped: Count
    complete: bool
