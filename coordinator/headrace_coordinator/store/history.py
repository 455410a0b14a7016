"""The history: summaries of jobs that have expired, until they are too old as well.

A row is written with the commit that deletes its job, while the job's failures still exist.
"""

from __future__ import annotations

import contextlib
import sqlite3
from math import inf

from msgspec.structs import replace

from headrace_coordinator.failure_kinds import Groups
from headrace_coordinator.queue import events
from headrace_coordinator.queue.job import join_words
from headrace_wire.encoding import pack
from headrace_wire.errors import ProtocolError
from headrace_wire.message import decode_trusted, dump
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import FailureGroup, FailureGroups, PastJob
from headrace_wire.messages.jobs import JobStatus

#: ``ended`` is a time of the coordinator's own clock. A search through many rows only reads one
#: index, and not the summaries.
HISTORY_SCHEMA = (
    """
    CREATE TABLE history (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        ended REAL NOT NULL,
        state TEXT NOT NULL,
        service TEXT NOT NULL,
        submitted_at REAL NOT NULL,
        submitted_by TEXT NOT NULL,
        words TEXT NOT NULL,
        summary BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE INDEX history_by_words
    ON history (number, state, service, submitted_at, submitted_by, words)
    """,
    "CREATE INDEX history_by_end ON history (ended)",
)

#: The maximum number of jobs in the history.
MOST_PAST_JOBS = 100_000

#: How many rows are removed in one commit.
REMOVED_ROWS = 1000

#: How many failures of a job are read for its summary, how many kinds of them are kept, and how
#: many characters of the end of a traceback and of a message.
FAILURES_READ = 100
KINDS_KEPT = 5
TRACEBACK_CHARACTERS = 4000
MESSAGE_CHARACTERS = 1000


class History:
    """Writes the history. All methods require a transaction, except for ``is_due``."""

    def __init__(self, connection: sqlite3.Connection, history_seconds: float) -> None:
        self._connection = connection
        self._history_seconds = history_seconds
        self.load()

    def load(self) -> None:
        """Read how many rows there are, and the oldest time."""
        execute = self._connection.execute
        (count,) = execute("SELECT count(*) FROM history").fetchone()
        (oldest,) = execute("SELECT min(ended) FROM history").fetchone()
        self._count, self._oldest = int(count), inf if oldest is None else float(oldest)

    def add(self, expired: events.JobExpired, past: PastJob) -> None:
        """Keep the summary of a job that has expired, with its failures."""
        if not self._history_seconds:
            return
        status = past.status
        past = replace(past, failures=self._group_failures(status))
        values = (
            status.number, status.id, expired.ended, status.state, status.service,
            status.submitted_at, status.submitted_by, join_words(status), pack(dump(past)),
        )  # fmt: skip
        self._connection.execute(
            "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values
        )
        self._count += 1
        self._oldest = min(self._oldest, expired.ended)

    def remove(self, job: str) -> None:
        self._count -= self._connection.execute("DELETE FROM history WHERE id = ?", (job,)).rowcount

    def is_due(self, now_seconds: float) -> bool:
        """Return whether rows are too old, or too many."""
        return self._oldest + self._history_seconds < now_seconds or self._count > MOST_PAST_JOBS

    def trim(self, now_seconds: float) -> None:
        """Remove some of the rows that are too old or too many."""
        self._connection.execute(
            """
            DELETE FROM history WHERE number IN
                (SELECT number FROM history WHERE ended < ? ORDER BY ended LIMIT ?)
            """,
            (now_seconds - self._history_seconds, REMOVED_ROWS),
        )
        self.load()
        self._connection.execute(
            """
            DELETE FROM history WHERE number IN
                (SELECT number FROM history ORDER BY number LIMIT ?)
            """,
            (max(0, min(REMOVED_ROWS, self._count - MOST_PAST_JOBS)),),
        )
        self.load()

    def _group_failures(self, status: JobStatus) -> FailureGroups:
        groups = Groups()
        if status.failed:
            query = "SELECT failure FROM failures WHERE job = ? ORDER BY task LIMIT ?"
            for (packed,) in self._connection.execute(query, (status.id, FAILURES_READ)):
                with contextlib.suppress(ProtocolError):  # damaged ones are left out
                    groups.add([decode_trusted(TaskFailure, packed)])
        found = groups.show(KINDS_KEPT)
        return replace(found, groups=tuple(map(_shorten, found.groups)))


def _shorten(group: FailureGroup) -> FailureGroup:
    message = group.message[:MESSAGE_CHARACTERS]
    traceback = group.traceback[-TRACEBACK_CHARACTERS:]
    return replace(group, message=message, traceback=traceback)
