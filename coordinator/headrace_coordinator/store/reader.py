"""Reads the store: inputs for leases, results for clients, failures and log lines for people.

It has a connection of its own, so that it only sees what is committed.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from headrace_coordinator.checksums import DamagedError, compute_checksum
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.store.disk import explain_reading
from headrace_coordinator.store.payload_file import Payload, PayloadFile
from headrace_coordinator.store.recent import Recent
from headrace_wire.batch import slice_batch
from headrace_wire.bounds import MAX_INTEGER
from headrace_wire.errors import StoreError
from headrace_wire.message import decode_trusted
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.logs import LogLine
from headrace_wire.messages.results import ResultSpan

#: How many seconds to wait for another process that has locked the database.
BUSY_SECONDS = 5.0

#: The size in bytes to which the write-ahead log is truncated after a burst.
LOG_BYTES = 64 << 20

#: The columns that are read of a row of inputs or results.
RUN_COLUMNS = "start, stop, size_bytes, batch, place, checksum"

#: SQLite's primary codes for a file that is damaged, or cannot be read: IOERR, CORRUPT, NOTADB
#: (https://sqlite.org/rescode.html).
DAMAGE = (10, 11, 26)

#: How many rows of results are divided into pieces at once.
PLANNED_ROWS = 4096

#: How many bytes of failures are read at once. A single one may be larger.
FAILURE_BYTES = 32 << 20


def connect(path: Path, *, create: bool = True) -> sqlite3.Connection:
    """Open a connection in WAL mode that commits without waiting for the disk."""
    connection = sqlite3.connect(
        path.absolute().as_uri() + ("" if create else "?mode=rw"),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class StoreReader:
    """Reads from one database, in the thread that writes payloads.

    Raises StoreError if it cannot be read.
    """

    def __init__(self, path: Path, payloads: PayloadFile) -> None:
        self._path = path
        self._payloads = payloads
        self.recent = Recent()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def read_inputs(self, job: str, start: int, stop: int) -> tuple[bytes, ...] | None:
        """Return batches that together contain the inputs of tasks [start, stop).

        None if some no longer exist: the job was deleted meanwhile, or its tasks are done. Raises
        DamagedError.
        """
        recent = self.recent.inputs.find(job, start, stop)
        if recent is not None:
            return recent
        query = f"""
            SELECT {RUN_COLUMNS} FROM inputs
            WHERE job = ? AND start < ? AND start >= coalesce(
                (SELECT max(start) FROM inputs WHERE job = ? AND start <= ?), 0)
            ORDER BY start
        """  # noqa: S608 - our own names
        with self._reading() as connection:
            batches: list[bytes] = []
            expected = start
            try:
                for row in connection.execute(query, (job, stop, job, start)):
                    left, right = row[:2]
                    begin, end = max(start, left), min(stop, right)
                    if begin != expected:
                        return None
                    batch = self._find_batch("inputs", job, row)
                    batches.append(slice_batch(batch, begin - left, end - left))
                    expected = end
            except sqlite3.Error as error:
                if error.sqlite_errorcode & 0xFF in DAMAGE:
                    raise DamagedError(job, expected, stop, f"cannot be read ({error})") from None
                raise
        return tuple(batches) if expected == stop else None

    def read_results_after(
        self, job: str, number: int, max_bytes: int, until: int | None = None
    ) -> tuple[list[ResultSpan], int]:
        """Return spans accepted after the ``number``-th, and the number of the last of them.

        With ``until``, only spans up to that number are returned. They end before a damaged one.
        Raises DamagedError if the first one is damaged.
        """
        if until is None:
            recent = self.recent.results.find(job, number, max_bytes)
            if recent is not None:
                return recent
        query = f"""
            SELECT {RUN_COLUMNS}, number FROM results
            WHERE job = ? AND number > ? AND number <= ? ORDER BY number
        """  # noqa: S608 - our own names
        runs: list[ResultSpan] = []
        size = 0
        last = MAX_INTEGER if until is None else until
        with self._reading() as connection:
            for *row, found in connection.execute(query, (job, number, last)):
                if runs and size >= max_bytes:
                    break
                run = self._read_run(job, row, is_first=not runs)
                if run is None:
                    break
                runs.append(run)
                size += len(run.values)
                number = found
        return runs, number

    def plan_pieces(self, job: str, number: int, max_bytes: int, most: int) -> tuple[int, ...]:
        """Divide the results after the ``number``-th into pieces, and return the numbers at which
        the first pieces end. A piece is what one call of ``read_results_after`` returns.
        """
        query = """
            SELECT number, size_bytes FROM results
            WHERE job = ? AND number > ? ORDER BY number LIMIT ?
        """
        ends: list[int] = []
        size, last = 0, number
        with self._reading() as connection:
            for last, size_bytes in connection.execute(query, (job, number, PLANNED_ROWS)):
                size += size_bytes
                if size >= max_bytes:
                    ends.append(last)
                    size = 0
                if len(ends) == most:
                    break
        if last > (ends or [number])[-1]:
            ends.append(last)
        return tuple(ends)

    def read_results_from(
        self, job: str, index: int, max_bytes: int, skipped: RangeSet, tasks: int | None = None
    ) -> tuple[list[ResultSpan], int]:
        """Return spans in index order from task ``index`` on, up to the first missing task.

        Also return the next index. ``skipped`` tasks, which have no value, do not count as missing.
        If the number of ``tasks`` is given, as for a final job, all missing tasks are skipped.
        Damaged spans are treated as by ``read_results_after``.
        """
        query = f"""
            SELECT {RUN_COLUMNS} FROM results WHERE job = ? AND start >= ? ORDER BY start
        """  # noqa: S608 - our own names
        runs: list[ResultSpan] = []
        size = 0
        with self._reading() as connection:
            for row in connection.execute(query, (job, index)):
                start, stop = row[:2]
                if start in skipped:  # delivered, and not yet removed
                    continue
                is_next = tasks is not None or start == skipped.next_missing(index)
                if not is_next or (runs and size >= max_bytes):
                    return runs, skipped.next_missing(index) if tasks is None else start
                run = self._read_run(job, row, is_first=not runs)
                if run is None:
                    return runs, start
                runs.append(run)
                size += len(run.values)
                index = stop
        return runs, skipped.next_missing(index) if tasks is None else max(index, tasks)

    def read_failures(self, job: str, start: int, limit: int) -> tuple[TaskFailure, ...]:
        """Return dead tasks of a job in index order from ``start`` on, at least one if any."""
        query = "SELECT task, failure FROM failures WHERE job = ? AND task >= ? ORDER BY task"
        packed, _ = self._read_packed(query, job, start, FAILURE_BYTES, limit)
        return tuple(decode_trusted(TaskFailure, one) for one in packed)

    def read_failures_after(
        self, job: str, number: int, limit: int, max_bytes: int = FAILURE_BYTES
    ) -> tuple[tuple[TaskFailure, ...], int]:
        """Return dead tasks in order of arrival after the ``number``-th, and the last number."""
        query = "SELECT number, failure FROM failures WHERE job = ? AND number > ? ORDER BY number"
        packed, last = self._read_packed(query, job, number, max_bytes, limit)
        return tuple(decode_trusted(TaskFailure, one) for one in packed), last

    def read_lines_after(
        self, job: str, number: int, max_bytes: int
    ) -> tuple[tuple[LogLine, ...], int, int]:
        """Return log lines after the ``number``-th part, and the number of their last part.

        Also return how many of the job's lines are not kept. Everything is from one snapshot.
        """
        query = "SELECT number, lines FROM lines WHERE job = ? AND number > ? ORDER BY number"
        with self._reading() as connection:
            connection.execute("BEGIN")
            jobs = connection.execute("SELECT lines_dropped FROM jobs WHERE id = ?", (job,))
            (dropped,) = jobs.fetchone() or (0,)
            packed, last = self._read_packed(query, job, number, max_bytes)
            connection.execute("COMMIT")
        lines = (line for one in packed for line in decode_trusted(tuple[LogLine, ...], one))
        return tuple(lines), last, dropped

    def _read_packed(
        self, query: str, job: str, number: int, max_bytes: int, limit: int = -1
    ) -> tuple[list[bytes], int]:
        """Return the first rows, and the number of the last of them, or the given number."""
        found: list[bytes] = []
        size = 0
        with self._reading() as connection:
            for last, packed in connection.execute(f"{query} LIMIT ?", (job, number, limit)):
                found.append(packed)
                number = last
                size += len(packed)
                if size >= max_bytes:
                    break
        return found, number

    def _read_run(self, job: str, row: Iterable[Any], *, is_first: bool) -> ResultSpan | None:
        """Return a span of results, None if it is damaged. Raises DamagedError for the first."""
        start, stop, *_ = row
        try:
            return ResultSpan(start, stop, self._find_batch("results", job, row))
        except DamagedError:
            if is_first:
                raise
            return None

    def _find_batch(self, table: str, job: str, row: Iterable[Any]) -> bytes:
        """Return the batch of a row of RUN_COLUMNS, from the database or from the payload file.

        Raises DamagedError if it is not what was stored for these tasks.
        """
        start, stop, size_bytes, batch, place, checksum = row
        try:
            found: bytes = (
                batch if place is None else self._payloads.read(Payload(place, size_bytes))
            )
        except OSError as error:
            reason = f"cannot be read ({error.strerror or type(error).__name__})"
        else:
            if not found and size_bytes:
                reason = "is missing from its payload file"
            elif len(found) != size_bytes:
                reason = f"ends after {len(found)} of {size_bytes} bytes"
            elif checksum != compute_checksum(table, job, start, stop, found):
                reason = "is damaged: its checksum does not match"
            else:
                return found
        raise DamagedError(job, start, stop, reason, size_bytes)

    @contextlib.contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """Provide the connection, and close it if an error is raised."""
        try:
            if self._connection is None:
                self._connection = connect(self._path, create=False)
            yield self._connection
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error | OSError):
                raise StoreError(explain_reading(self._path, error)) from None
            raise
