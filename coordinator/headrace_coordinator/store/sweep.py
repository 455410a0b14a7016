"""Removes the many rows of a deleted job in parts, so that no commit is large.

A job with a million results is deleted at once, and its rows are removed later, so that nobody has
to wait, and a full disk has space for each part. The table ``doomed`` lists what is still to be
removed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from headrace_coordinator.store.payload_file import Payload

#: How many rows are removed in one commit.
SWEPT_ROWS = 2000

#: Tables in which a job has rows besides its own.
TABLES = ("results", "inputs", "failures", "attempts", "lines")

DOOMED_SCHEMA = """
CREATE TABLE IF NOT EXISTS doomed (job TEXT PRIMARY KEY, last INTEGER) STRICT;
"""


class Sweep:
    """Calls ``forget`` with each payload. All methods except ``load`` require a transaction.

    For a job with a ``last`` number, only results up to that number are removed, for others all
    rows.
    """

    def __init__(self, connection: sqlite3.Connection, forget: Callable[[Payload], None]) -> None:
        self._connection = connection
        self._forget = forget
        self._doomed: dict[str, int | None] = {}

    def __bool__(self) -> bool:
        return bool(self._doomed)

    def load(self) -> None:
        """Read what is still to be removed."""
        self._doomed = dict(self._connection.execute("SELECT job, last FROM doomed"))

    def begin(self, job: str, *, results_only: bool = False) -> None:
        """Remove some of a job's rows now, and the others later."""
        last = None
        if results_only:
            query = "SELECT max(number) FROM results WHERE job = ?"
            (last,) = self._connection.execute(query, (job,)).fetchone()
            if last is None:
                return
        self._doomed[job] = last
        self._connection.execute("INSERT OR REPLACE INTO doomed VALUES (?, ?)", (job, last))
        self._remove_some(job)

    def finish(self, job: str) -> None:
        """Remove all rows of a job whose id is used again."""
        while job in self._doomed:
            self._remove_some(job)

    def step(self) -> None:
        """Remove some more rows."""
        self._remove_some(next(iter(self._doomed)))

    def _remove_some(self, job: str) -> None:
        most = SWEPT_ROWS
        last = self._doomed[job]
        execute = self._connection.execute
        for table in TABLES if last is None else TABLES[:1]:
            columns = "place, size_bytes" if table in ("results", "inputs") else "NULL, 0"
            upto = "" if last is None else f"AND number <= {last}"
            query = f"""
                DELETE FROM {table} WHERE rowid IN
                    (SELECT rowid FROM {table} WHERE job = ? {upto} LIMIT ?)
                RETURNING {columns}
            """  # noqa: S608 - our own names
            rows = execute(query, (job, most)).fetchall()
            for place, size in rows:
                if place is not None:
                    self._forget(Payload(place, size))
            most -= len(rows)
            if not most:
                return
        execute("DELETE FROM doomed WHERE job = ?", (job,))
        del self._doomed[job]
