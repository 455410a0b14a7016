"""Reading the store: inputs for leases, results for clients, failures for people.

Connections of its own, so that a reader never waits for a commit; what they see is committed.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any

from headrace_coordinator.checksums import DamagedError, compute_checksum
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.store.payload_file import Payload, PayloadFile
from headrace_coordinator.store.recent import Recent
from headrace_wire.batch import slice_batch
from headrace_wire.errors import StoreError
from headrace_wire.message import decode_trusted
from headrace_wire.messages import LogLine, ResultRun, TaskFailure

#: Seconds to wait for another process to leave the file alone.
BUSY_SECONDS = 5.0

#: Bytes to which the write-ahead log is cut back after a burst.
LOG_BYTES = 64 << 20

#: What is read of a run of inputs or results.
RUN_COLUMNS = "start, stop, size_bytes, batch, place, checksum"

#: SQLite's primary codes for a file that is not what it should be, or cannot be read: IOERR,
#: CORRUPT, NOTADB (https://sqlite.org/rescode.html).
DAMAGE = (10, 11, 26)

#: Bytes of failures that are read at once; one alone may have more.
FAILURE_BYTES = 32 << 20

#: Connections kept open between calls.
CONNECTIONS_KEPT = 4


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
    """Reads of one database. Thread safe. Raises StoreError when it cannot be read."""

    def __init__(self, path: Path, payloads: PayloadFile) -> None:
        self._path = path
        self._payloads = payloads
        self.recent = Recent()
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def read_inputs(self, job: str, start: int, stop: int) -> tuple[bytes, ...] | None:
        """Batches that together hold the inputs of tasks [start, stop).

        None where some are gone: the job was deleted meanwhile, or its tasks are done. Raises
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
        with self._connection() as reader:
            batches: list[bytes] = []
            expected = start
            try:
                for row in reader.execute(query, (job, stop, job, start)):
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
        self, job: str, number: int, max_bytes: int
    ) -> tuple[list[ResultRun], int]:
        """Runs accepted after the ``number``-th, and the number of the last of them.

        They end before one that is damaged. Raises DamagedError where that is the first one.
        """
        recent = self.recent.results.find(job, number, max_bytes)
        if recent is not None:
            return recent
        query = """
            SELECT number, start, stop, size_bytes FROM results
            WHERE job = ? AND number > ? ORDER BY number
        """
        runs, last = self._read_runs(query, job, number, max_bytes)
        self.recent.results.resume(job, last)
        return runs, last

    def read_results_from(
        self, job: str, index: int, max_bytes: int, skipped: RangeSet, tasks: int | None = None
    ) -> tuple[list[ResultRun], int]:
        """Runs in index order from task ``index`` on, as far as no task is missing.

        Returns the index that comes next. ``skipped`` tasks are passed over: they have no value. Of
        a job that is final, and has so many ``tasks``, all that are missing are passed over.
        Damaged runs are as for ``read_results_after``.
        """
        query = """
            SELECT start, start, stop, size_bytes FROM results
            WHERE job = ? AND start >= ? ORDER BY start
        """
        with self._connection() as reader:
            chosen: list[int] = []
            size = 0
            for start, _, stop, size_bytes in reader.execute(query, (job, index)):
                if start in skipped:  # delivered, and not yet taken out
                    continue
                is_next = tasks is not None or start == skipped.next_missing(index)
                if not is_next or (chosen and size >= max_bytes):
                    index = skipped.next_missing(index) if tasks is None else start
                    break
                chosen.append(start)
                size += size_bytes
                index = stop
            else:
                index = skipped.next_missing(index) if tasks is None else max(index, tasks)
            found = (
                row
                for start in chosen
                for row in reader.execute(
                    f"SELECT {RUN_COLUMNS} FROM results WHERE job = ? AND start = ?",  # noqa: S608 - our own names
                    (job, start),
                )
            )
            runs: list[ResultRun] = []
            for row in found:
                if (run := self._read_run(job, row, is_first=not runs)) is None:
                    index = row[0]
                    break
                runs.append(run)
        return runs, index

    def read_failures(
        self, job: str, start: int, limit: int, max_bytes: int = FAILURE_BYTES
    ) -> tuple[TaskFailure, ...]:
        """Dead tasks of a job in index order from ``start`` on; at least one, if there is one."""
        query = """
            SELECT task, failure FROM failures WHERE job = ? AND task >= ? ORDER BY task LIMIT ?
        """
        return self._read_failures(query, (job, start, limit), max_bytes)[0]

    def read_failures_after(
        self, job: str, number: int, limit: int, max_bytes: int = FAILURE_BYTES
    ) -> tuple[tuple[TaskFailure, ...], int]:
        """Dead tasks as they came after the ``number``-th, and the number of the last of them."""
        query = """
            SELECT number, failure FROM failures WHERE job = ? AND number > ?
            ORDER BY number LIMIT ?
        """
        failures, last = self._read_failures(query, (job, number, limit), max_bytes)
        return failures, number if last is None else last

    def _read_failures(
        self, query: str, about: tuple[object, ...], max_bytes: int
    ) -> tuple[tuple[TaskFailure, ...], int | None]:
        failures: list[TaskFailure] = []
        size = 0
        last: int | None = None
        with self._connection() as reader:
            for number, packed in reader.execute(query, about):
                failures.append(decode_trusted(TaskFailure, packed))
                last = number
                size += len(packed)
                if size >= max_bytes:
                    break
        return tuple(failures), last

    def read_lines_after(
        self, job: str, number: int, max_bytes: int
    ) -> tuple[tuple[LogLine, ...], int]:
        """Log lines after the ``number``-th part, and the number of the last part of them."""
        query = "SELECT number, lines FROM lines WHERE job = ? AND number > ? ORDER BY number"
        lines: list[LogLine] = []
        size = 0
        with self._connection() as reader:
            for found, packed in reader.execute(query, (job, number)):
                lines += decode_trusted(tuple[LogLine, ...], packed)
                number = found
                size += len(packed)
                if size >= max_bytes:
                    break
        return tuple(lines), number

    def _read_runs(
        self, query: str, job: str, number: int, max_bytes: int
    ) -> tuple[list[ResultRun], int]:
        runs: list[ResultRun] = []
        size = 0
        with self._connection() as reader:
            for found, _, _, size_bytes in reader.execute(query, (job, number)):
                if runs and size >= max_bytes:
                    break
                row = reader.execute(
                    f"SELECT {RUN_COLUMNS} FROM results WHERE number = ?",  # noqa: S608 - our own names
                    (found,),
                ).fetchone()
                if row is None:
                    break
                if (run := self._read_run(job, row, is_first=not runs)) is None:
                    break
                runs.append(run)
                size += size_bytes
                number = found
        return runs, number

    def _read_run(self, job: str, row: tuple[Any, ...], *, is_first: bool) -> ResultRun | None:
        """A run of results; None where it is damaged. Raises DamagedError for the first one."""
        try:
            return ResultRun(row[0], row[1], self._find_batch("results", job, row))
        except DamagedError:
            if is_first:
                raise
            return None

    def _find_batch(self, table: str, job: str, row: tuple[Any, ...]) -> bytes:
        """The batch of a row of RUN_COLUMNS, from the database or from the payload file.

        Raises DamagedError where it is not what was put there for these tasks.
        """
        start, stop, size_bytes, batch, place, checksum = row
        try:
            found: bytes = (
                batch if place is None else self._payloads.read(Payload(place, size_bytes))
            )
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise DamagedError(job, start, stop, f"cannot be read ({reason})", size_bytes) from None
        if len(found) != size_bytes:
            reason = f"ends after {len(found)} of {size_bytes} bytes"
            raise DamagedError(job, start, stop, reason, size_bytes)
        if checksum != compute_checksum(table, job, start, stop, found):
            reason = "is damaged: its checksum does not match"
            raise DamagedError(job, start, stop, reason, size_bytes)
        return found

    @contextlib.contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        try:
            reader = self._idle.get_nowait()
        except queue.Empty:
            reader = connect(self._path, create=False)
        try:
            with self._payloads.reading():
                yield reader
        except (sqlite3.Error, OSError) as error:
            reader.close()
            raise StoreError(f"the store {self._path} cannot be read: {error}") from None
        except BaseException:
            reader.close()
            raise
        if self._idle.qsize() < CONNECTIONS_KEPT:
            self._idle.put(reader)
        else:
            reader.close()
