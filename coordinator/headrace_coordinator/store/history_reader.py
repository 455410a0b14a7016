"""Reads the history: one job of it at once, or pages of it in another thread.

It may contain a hundred thousand jobs, and a search through all of them takes some time, during
which SQLite lets other threads run.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from math import inf
from pathlib import Path

from headrace_coordinator.store.disk import explain_reading
from headrace_coordinator.store.reader import connect
from headrace_wire.errors import ProtocolError, StoreError
from headrace_wire.message import decode_trusted
from headrace_wire.messages.job_views import PastJob
from headrace_wire.messages.jobs import JobFilter, JobStatus

#: How many jobs that begin with the same text are found, of which the newest are returned.
MOST_MATCHED = 500

#: The largest number of a job, and of rows.
MOST = (1 << 63) - 1


class HistoryReader:
    """Reads from one database. Raises StoreError if it cannot be read.

    ``find`` and ``match`` are for one thread, which also closes it; the others for any thread.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def find(self, job: str) -> PastJob | None:
        """Return the summary of a job; None if there is none that can be read."""
        with self._explaining():
            query = "SELECT summary FROM history WHERE id = ?"
            row = self._connect().execute(query, (job,)).fetchone()
        return _read(row[0]) if row else None

    def match(self, start: str, by: str | None, most: int) -> list[str]:
        """Return the ids of the newest jobs that begin with ``start``; with ``by``, those of this
        key.

        If very many begin like this, only some of them are examined.
        """
        query = """
            SELECT id FROM (
                SELECT id, number FROM history
                WHERE id >= ? AND id < ? AND (? IS NULL OR submitted_by = ?) LIMIT ?
            ) ORDER BY number DESC LIMIT ?
        """
        values = (start, start + chr(0x10FFFF), by, by, MOST_MATCHED, most)
        with self._explaining():
            return [job for (job,) in self._connect().execute(query, values)]

    def list_jobs(
        self, chosen: JobFilter, before: float, most: int, by: str | None
    ) -> tuple[JobStatus, ...]:
        """Return the selected jobs with numbers below ``before``, the newest first."""
        where, values = _choose(chosen, by)
        query = f"""
            SELECT summary FROM history WHERE number IN (
                SELECT number FROM history INDEXED BY history_by_words
                WHERE number < ? AND {where} ORDER BY number DESC LIMIT ?
            ) ORDER BY number DESC
        """  # noqa: S608 - our own names
        number = MOST if before == inf else int(before)
        most = min(most, chosen.limit or most)
        with self._explaining(), contextlib.closing(connect(self._path, create=False)) as reading:
            rows = reading.execute(query, (number, *values, most)).fetchall()
        found = (_read(packed) for (packed,) in rows)
        return tuple(past.status for past in found if past)

    def count_jobs(self, chosen: JobFilter, by: str | None) -> int:
        """Return how many jobs are selected, ignoring the filter's limit."""
        where, values = _choose(chosen, by)
        query = f"SELECT count(*) FROM history INDEXED BY history_by_words WHERE {where}"  # noqa: S608 - as above
        with self._explaining(), contextlib.closing(connect(self._path, create=False)) as reading:
            (number,) = reading.execute(query, values).fetchone()
        return int(number)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, create=False)
        return self._connection

    @contextlib.contextmanager
    def _explaining(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(explain_reading(self._path, error)) from None


def _read(packed: bytes) -> PastJob | None:
    try:
        return decode_trusted(PastJob, packed)
    except ProtocolError:  # damaged, and nothing depends on it
        return None


def _choose(chosen: JobFilter, by: str | None) -> tuple[str, list[str | float]]:
    """Return the SQL condition of a filter, and its values."""
    conditions, values = ["number >= 0"], list[str | float]()
    for condition, value in (
        ("service = ?", chosen.service),
        ("submitted_at >= ?", chosen.since),
        ("instr(words, ?) > 0", chosen.text.casefold()),
        ("submitted_by = ?", chosen.submitted_by),
    ):
        if value:
            conditions.append(condition)
            values.append(value)
    if by is not None:
        conditions.append("submitted_by = ?")
        values.append(by)
    if chosen.states:
        conditions.append(f"state IN ({', '.join('?' * len(chosen.states))})")
        values += chosen.states
    return " AND ".join(conditions), values
