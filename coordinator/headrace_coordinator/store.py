"""The store: one SQLite file in WAL mode, in which everything acknowledged is.

Writing is the ledger's alone, one transaction for as many events as have come together. Reading is
``StoreReader``'s, over connections of its own that see what is committed. ``synchronous=NORMAL``
survives the death of the process at any moment; a power cut may take the last transactions, never
the file.

    jobs      one row a job: what was asked, counts and times
    inputs    one row a batch of carried inputs, dropped when all its tasks are done
    results   one row an accepted run of values, dropped when acknowledged
    failures  one row a dead task
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from headrace_coordinator.events import (
    Event,
    InputsDropped,
    InputsPut,
    JobChanged,
    JobDeleted,
    JobSubmitted,
    ResultsDropped,
    RunDone,
    TaskDead,
    TaskRevived,
)
from headrace_coordinator.job import Job
from headrace_coordinator.store_reader import StoreReader, connect
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import StoreError
from headrace_wire.messages import JobSpec

#: Raised by one with every change to the tables.
SCHEMA_VERSION = 1

#: Bytes written to find out whether there is room on the disk again.
PROBE_BYTES = 64 << 10

SCHEMA = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    spec BLOB NOT NULL,
    state TEXT NOT NULL,
    tasks INTEGER NOT NULL,
    sealed INTEGER NOT NULL,
    cpu_seconds REAL NOT NULL,
    busy_seconds REAL NOT NULL,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    submitted_at REAL NOT NULL,
    started_at REAL,
    finished_at REAL,
    results_kept INTEGER NOT NULL,
    done_before BLOB
) STRICT;
CREATE TABLE inputs (
    job TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    inputs BLOB,
    PRIMARY KEY (job, start)
) STRICT;
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    batch BLOB NOT NULL
) STRICT;
CREATE INDEX results_by_start ON results (job, start, stop);
CREATE INDEX results_by_number ON results (job, number);
CREATE TABLE failures (
    job TEXT NOT NULL,
    task INTEGER NOT NULL,
    failure BLOB NOT NULL,
    PRIMARY KEY (job, task)
) STRICT, WITHOUT ROWID;
"""

UPDATE_JOB = """
UPDATE jobs SET state = ?, tasks = ?, sealed = ?, cpu_seconds = ?, busy_seconds = ?, bytes_in = ?,
    bytes_out = ?, started_at = ?, finished_at = ?, results_kept = ? WHERE id = ?
"""


class Store:
    """One data folder's database. Raises StoreError when it cannot be opened or is damaged.

    Called by one thread at a time, except for its ``reader``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reader = StoreReader(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._writer = connect(path)
            try:
                self._prepare()
            except BaseException:
                self._writer.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the store {path} cannot be opened: {error}") from None

    def close(self) -> None:
        """Close every connection; the write-ahead log is folded into the file."""
        self.reader.close()
        self._writer.close()

    def write(self, events: Iterable[Event], jobs: dict[str, Job]) -> None:
        """Commit events in one transaction. Raises StoreError, and then none of them is in."""
        changed: dict[str, None] = {}
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                for event in events:
                    if isinstance(event, JobChanged):
                        changed[event.job] = None
                    else:
                        self._write_event(event, jobs)
                for job_id in changed:
                    if job_id in jobs:
                        self._update_job(jobs[job_id])
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def probe(self) -> None:
        """Write something and take it out again. Raises StoreError when that cannot be done."""
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                row = ("", 0, bytes(PROBE_BYTES))
                self._writer.execute("INSERT OR REPLACE INTO failures VALUES (?, ?, ?)", row)
            with self._writer:
                self._writer.execute("DELETE FROM failures WHERE job = ''")
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def _explain(self, error: sqlite3.Error) -> StoreError:
        return StoreError(
            f"the coordinator's store cannot be written ({error}): make room on the disk of "
            f"{self._path.parent}; nothing acknowledged is lost"
        )

    def load(self) -> list[Job]:
        """Every job with what is known of its tasks, in the order of submission."""
        try:
            rows = self._writer.execute("SELECT * FROM jobs ORDER BY submitted_at, rowid")
            return [self._load_job(row) for row in rows.fetchall()]
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"the store {self._path} is damaged: {error}") from None

    def measure_bytes(self) -> int:
        """Bytes that the database takes on disk, its write-ahead log included."""
        parts = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())

    def _prepare(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._writer.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise StoreError(
                f"the store {self._path} was written by another headrace (schema {version}, this "
                f"one knows {SCHEMA_VERSION}): use that version, or another --data folder"
            )
        (finding,) = self._writer.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise StoreError(f"the store {self._path} is damaged: {finding}")

    def _write_event(self, event: Event, jobs: dict[str, Job]) -> None:
        execute = self._writer.execute
        match event:
            case RunDone():
                execute(
                    "INSERT INTO results (job, start, stop, size_bytes, batch) "
                    "VALUES (?, ?, ?, ?, ?)",
                    (event.job, event.start, event.stop, len(event.values), event.values),
                )
            case InputsPut():
                size = len(event.inputs)
                execute(
                    "INSERT INTO inputs VALUES (?, ?, ?, ?, 0, ?)",
                    (event.job, event.start, event.stop, size, event.inputs),
                )
            case InputsDropped():
                execute(
                    "UPDATE inputs SET inputs = NULL, dropped = 1 WHERE job = ? AND start = ?",
                    (event.job, event.start),
                )
            case JobSubmitted():
                execute(
                    "INSERT INTO jobs VALUES (?, ?, 'queued', 0, 0, 0, 0, 0, 0, ?, NULL, NULL, 1,"
                    " NULL)",
                    (event.spec.id, pack(event.spec.to_wire()), event.submitted_at),
                )
            case TaskDead():
                execute(
                    "INSERT OR REPLACE INTO failures VALUES (?, ?, ?)",
                    (event.failure.job, event.failure.index, pack(event.failure.to_wire())),
                )
            case TaskRevived():
                execute("DELETE FROM failures WHERE job = ? AND task = ?", (event.job, event.index))
            case ResultsDropped():
                done = pack([list(piece) for piece in jobs[event.job].done])
                execute("DELETE FROM results WHERE job = ?", (event.job,))
                execute(
                    "UPDATE jobs SET results_kept = 0, done_before = ? WHERE id = ?",
                    (done, event.job),
                )
            case JobDeleted():
                for table in ("results", "inputs", "failures"):
                    execute(f"DELETE FROM {table} WHERE job = ?", (event.job,))  # noqa: S608 - our own names
                execute("DELETE FROM jobs WHERE id = ?", (event.job,))
            case _:
                pass  # for metrics and waiting calls

    def _update_job(self, job: Job) -> None:
        self._writer.execute(
            UPDATE_JOB,
            (
                job.state,
                job.tasks,
                job.sealed,
                job.cpu_seconds,
                job.busy_seconds,
                job.bytes_in,
                job.bytes_out,
                job.started_at,
                job.finished_at,
                job.results_kept,
                job.spec.id,
            ),
        )

    def _load_job(self, row: tuple[Any, ...]) -> Job:
        (
            job_id,
            spec,
            state,
            tasks,
            sealed,
            cpu_seconds,
            busy_seconds,
            bytes_in,
            bytes_out,
            submitted_at,
            started_at,
            finished_at,
            results_kept,
            done_before,
        ) = row
        job = Job(
            spec=JobSpec.from_wire(unpack(spec)),
            submitted_at=submitted_at,
            tasks=tasks,
            sealed=bool(sealed),
            state=state,
            cpu_seconds=cpu_seconds,
            busy_seconds=busy_seconds,
            bytes_in=bytes_in,
            bytes_out=bytes_out,
            started_at=started_at,
            finished_at=finished_at,
            results_kept=bool(results_kept),
        )
        for start, stop in unpack(done_before) if done_before else ():
            job.done.add(start, stop)
        execute = self._writer.execute
        for start, stop in execute("SELECT start, stop FROM results WHERE job = ?", (job_id,)):
            job.done.add(start, stop)
        for (index,) in execute("SELECT task FROM failures WHERE job = ?", (job_id,)):
            job.dead.add(index, index + 1)
        chunks = "SELECT start, stop, size_bytes FROM inputs WHERE job = ? ORDER BY start"
        for start, stop, size in execute(chunks, (job_id,)):
            job.chunks.append(start, stop, size)
        return job
