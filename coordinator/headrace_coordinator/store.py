"""The store: one SQLite file in WAL mode, in which everything acknowledged is.

Writing is the ledger's alone, one transaction for as many events as have come together. Reading is
``StoreReader``'s, over connections of its own that see what is committed. What is committed
survives the death of the process at any moment. With the durability ``process``
(``synchronous=NORMAL``) a power cut may take the last transactions, never the file; with ``power``
(``FULL``) each commit waits for the disk, and a power cut takes nothing
(https://sqlite.org/pragma.html#pragma_synchronous).

    jobs      one row a job: what was asked, counts and times
    inputs    one row a batch of carried inputs, dropped some time after all its tasks are done
    results   one row an accepted run of values, dropped when acknowledged, or after delivery
    failures  one row a dead task
    attempts  one row a run of tasks that waits again after an attempt; the newest holds
    shared…   shared state; see ``headrace_coordinator.shared.storing``
    lines     one row for what a report brought of a job's log; the oldest are dropped
    clock     the coordinator's own time, which goes on where it stopped

Inputs and results of ``PAYLOAD_BYTES`` or more are in the payload file beside it, and their rows
say where. What a row names is in that file, and with ``power`` synced, before the row is committed.
With ``process`` a power cut may leave rows whose payload did not reach the disk: the next start
drops them, as if their transaction had been among the last ones.

Each row of inputs or results has a checksum of its content and of the tasks that it belongs to,
which is compared whenever the content is read.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from headrace_coordinator.checksums import compute_checksum, compute_spec_checksum
from headrace_coordinator.events import (
    AttemptsCounted,
    Event,
    InputsDropped,
    InputsPut,
    JobChanged,
    JobDeleted,
    JobSubmitted,
    LinesDropped,
    LinesLogged,
    ResultsDropped,
    RunDone,
    RunLost,
    RunsDelivered,
    TaskDead,
    TaskRevived,
)
from headrace_coordinator.job import Job
from headrace_coordinator.migration import MIGRATED_VERSIONS, migrate
from headrace_coordinator.payload_file import Payload, PayloadFile
from headrace_coordinator.queue import Attempted
from headrace_coordinator.removals import Removals
from headrace_coordinator.schema import INSERT_FAILURE, SCHEMA, SCHEMA_VERSION, UPDATE_JOB
from headrace_coordinator.shared.room import StoredRoom
from headrace_coordinator.shared.storing import SHARED_SCHEMA, load_shared, write_shared
from headrace_coordinator.store_loading import load_jobs, load_payloads
from headrace_coordinator.store_reader import StoreReader, connect
from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError, StoreError

#: What a commit survives: the death of the process, or a power cut as well.
Durability = Literal["process", "power"]

#: SQLite's word for each.
SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "power": "FULL"}

#: A file with so many free bytes, and no more than so many in use, is rewritten without them: what
#: is in use takes a fraction of a second.
FREE_BYTES = 256 << 20
LIVE_BYTES = 64 << 20

#: Inputs or results of so many bytes are kept in the payload file.
PAYLOAD_BYTES = 16 << 10

#: What the payload file's name has beyond the database's.
PAYLOAD_SUFFIX = "-payloads"

#: Pages in the log, when somebody else folds it, beyond which a commit does: 64 MiB.
LOG_PAGES = 16384

#: Seconds by which the stored clock may be behind the last commit.
CLOCK_SECONDS = 1.0

#: Bytes written to find out whether there is room on the disk again.
PROBE_BYTES = 64 << 10


class Store:
    """One data folder's database. Raises StoreError when it cannot be opened or is damaged.

    Called by one thread at a time, except for its ``reader`` and ``fold_log``.
    """

    def __init__(self, path: Path, durability: Durability = "process") -> None:
        self._path = path
        self._durability = durability
        self._taken: list[Payload] = []
        self._forgotten: list[Payload] = []
        self._removals = Removals()
        self._run_numbers: list[int] = []
        self._clock_seconds = 0.0
        self._folder: sqlite3.Connection | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._writer = connect(path)
            try:
                self._writer.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
                self._require_known_version()
                self._payloads = PayloadFile(path.with_name(path.name + PAYLOAD_SUFFIX))
                self._prepare()
                self.reader = StoreReader(path, self._payloads)
                if durability == "power":  # the folder's own entry, and the file's in it
                    _sync_folder(path.parent.parent)
                    _sync_folder(path.parent)
            except BaseException:
                self._writer.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the store {path} cannot be opened: {error}") from None

    def close(self) -> None:
        """Close every connection; the write-ahead log is folded into the file."""
        self.reader.close()
        if self._folder:
            self._folder.close()
        self._writer.close()
        self._payloads.close()

    def write(self, events: Sequence[Event], jobs: dict[str, Job], clock_seconds: float) -> None:
        """Commit events in one transaction. Raises StoreError, and then none of them is in.

        The clock is at most CLOCK_SECONDS older than the last commit.
        """
        changed: dict[str, None] = {}
        self._taken, self._forgotten = [], []
        self._run_numbers.clear()
        remove = tick = False
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                for event in events:
                    if isinstance(event, JobChanged):
                        changed[event.job] = None
                    elif isinstance(event, InputsDropped | RunsDelivered):
                        self._removals.add(event, clock_seconds)
                    else:
                        self._write_event(event)
                for job_id in changed:
                    if job_id in jobs:
                        self._update_job(jobs[job_id])
                remove = self._removals.are_due(clock_seconds)
                if remove:
                    self._remove()
                tick = not 0 <= clock_seconds - self._clock_seconds < CLOCK_SECONDS
                if tick:
                    self._writer.execute("UPDATE clock SET seconds = ?", (clock_seconds,))
                if self._durability == "power":
                    self._payloads.sync()
        except BaseException as error:
            self._payloads.free(self._taken)
            if isinstance(error, sqlite3.Error | OSError):
                raise self._explain(error) from None
            raise
        self._payloads.free(self._forgotten)
        self.reader.recent.note(events, self._run_numbers)
        if remove:
            self._removals.clear()
        if tick:
            self._clock_seconds = clock_seconds

    def probe(self) -> None:
        """Write something and take it out again. Raises StoreError when that cannot be done."""
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.execute(INSERT_FAILURE, ("", 0, bytes(PROBE_BYTES)))
            with self._writer:
                self._writer.execute("DELETE FROM failures WHERE job = ''")
            self._payloads.free([self._payloads.put(bytes(PROBE_BYTES))])
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def compact(self) -> None:
        """Give the disk back what deleted jobs took, when hardly anything is left in the file.

        Raises StoreError when that cannot be done.
        """
        try:
            execute = self._writer.execute
            (size,) = execute("PRAGMA page_size").fetchone()
            (free,) = execute("PRAGMA freelist_count").fetchone()
            (pages,) = execute("PRAGMA page_count").fetchone()
            if free * size >= FREE_BYTES and (pages - free) * size <= LIVE_BYTES:
                execute("VACUUM")
                execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._payloads.trim()
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def leave_log(self) -> None:
        """Let commits leave the log to ``fold_log``, up to a length that should never come."""
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def fold_log(self) -> None:
        """Fold what is committed into the file, while others read and write. Raises StoreError.

        For one thread, beside the one that writes.
        """
        try:
            if self._folder is None:
                self._folder = connect(self._path)
            self._folder.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def _explain(self, error: sqlite3.Error | OSError) -> StoreError:
        return StoreError(
            f"the coordinator's store cannot be written ({error}): make room on the disk of "
            f"{self._path.parent}; nothing acknowledged is lost"
        )

    def load(self) -> list[tuple[Job, list[Attempted]]]:
        """Every job in the order of submission, and how often which of its tasks were tried.

        Raises StoreError.
        """
        try:
            payloads = load_payloads(self._writer, self._payloads)
            self._payloads.restore(payloads)
            jobs, superfluous = load_jobs(self._writer)
        except (sqlite3.Error, OSError, ValueError, HeadraceError) as error:
            raise StoreError(f"the store {self._path} is damaged: {error}") from None
        now_seconds = self.load_clock()
        self._removals.clear()
        for inputs in superfluous:
            self._removals.add(inputs, now_seconds)
        return jobs

    def load_shared(self) -> StoredRoom:
        """All shared state. Raises StoreError."""
        try:
            return load_shared(self._writer)
        except (sqlite3.Error, ValueError, LookupError, HeadraceError) as error:
            raise StoreError(f"the store {self._path} is damaged: {error}") from None

    def load_clock(self) -> float:
        """The coordinator's own time at the last commit, in seconds. Raises StoreError."""
        try:
            (seconds,) = self._writer.execute("SELECT seconds FROM clock").fetchone()
        except (sqlite3.Error, TypeError) as error:
            raise StoreError(f"the store {self._path} is damaged: {error}") from None
        return float(seconds)

    def has_due_removals(self, now_seconds: float) -> bool:
        """Tell whether there is something that a commit should take out by now."""
        return self._removals.are_due(now_seconds)

    def measure_bytes(self) -> int:
        """Bytes that the store takes on disk: database, write-ahead log, payload file."""
        parts = (self._path, self._path.with_name(self._path.name + "-wal"))
        size = sum(part.stat().st_size for part in parts if part.exists())
        return size + self._payloads.measure_bytes()

    def _require_known_version(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version not in (0, *MIGRATED_VERSIONS, SCHEMA_VERSION):
            raise StoreError(
                f"the store {self._path} was written by another headrace (schema {version}, this "
                f"one knows {SCHEMA_VERSION}): use that version, or another --data folder"
            )

    def _prepare(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version == 0:
            tables = f"{SCHEMA} {SHARED_SCHEMA}"
            self._writer.executescript(
                f"BEGIN IMMEDIATE; {tables} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        (finding,) = self._writer.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise StoreError(f"the store {self._path} is damaged: {finding}")
        if version in MIGRATED_VERSIONS:
            migrate(self._writer, self._payloads)

    def _write_event(self, event: Event) -> None:
        execute = self._writer.execute
        match event:
            case RunDone():
                inserted = execute(
                    "INSERT INTO results (job, start, stop, size_bytes, batch, place, checksum) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        event.job,
                        event.start,
                        event.stop,
                        *self._put("results", event, event.values),
                    ),
                )
                self._run_numbers.append(inserted.lastrowid or 0)
            case InputsPut():
                execute(
                    "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (event.job, event.start, event.stop, *self._put("inputs", event, event.inputs)),
                )
            case JobSubmitted():
                spec = pack(event.spec.to_wire())
                checksum = compute_spec_checksum(event.spec.id, spec)
                execute(
                    "INSERT INTO jobs VALUES (?, ?, 'queued', 0, 0, 0, 0, 0, 0, ?, NULL, NULL, 1,"
                    " '', NULL, NULL, NULL, NULL, 0, ?)",
                    (event.spec.id, spec, event.submitted_at, checksum),
                )
            case RunLost():
                self._drop("results", "job = ? AND start = ?", event.job, event.start)
            case TaskDead():
                failure = event.failure
                execute(INSERT_FAILURE, (failure.job, failure.index, pack(failure.to_wire())))
            case TaskRevived():
                execute("DELETE FROM failures WHERE job = ? AND task = ?", (event.job, event.index))
                self._count_attempts(event.job, event.index, event.index + 1, 0, lost=False)
            case AttemptsCounted():
                self._count_attempts(
                    event.job, event.start, event.stop, event.attempts, lost=event.lost
                )
            case ResultsDropped():
                dropped = pack([list(piece) for piece in event.dropped])
                self._drop("results", "job = ?", event.job)
                execute(
                    "UPDATE jobs SET results_kept = 0, dropped = ? WHERE id = ?",
                    (dropped, event.job),
                )
            case LinesLogged():
                lines = pack([line.to_wire() for line in event.lines])
                execute(
                    "INSERT INTO lines (job, worker, report, count, size_bytes, lines) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (event.job, *event.part, len(event.lines), event.size_bytes, lines),
                )
            case LinesDropped():
                execute(
                    "DELETE FROM lines WHERE job = ? AND worker = ? AND report = ?",
                    (event.job, *event.part),
                )
            case JobDeleted():
                for table in ("results", "inputs"):
                    self._drop(table, "job = ?", event.job)
                for table in ("failures", "attempts", "lines"):
                    execute(f"DELETE FROM {table} WHERE job = ?", (event.job,))  # noqa: S608 - our own names
                execute("DELETE FROM jobs WHERE id = ?", (event.job,))
            case _:
                write_shared(self._writer, event)  # or for metrics and waiting calls

    def _remove(self) -> None:
        """Take out what nobody asks for any more."""
        for table, job, start in self._removals.rows():
            self._drop(table, "job = ? AND start = ?", job, start)
        for job, dropped in self._removals.dropped():
            pieces = pack([list(piece) for piece in dropped])
            self._writer.execute("UPDATE jobs SET dropped = ? WHERE id = ?", (pieces, job))

    def _put(
        self, table: str, event: InputsPut | RunDone, batch: bytes
    ) -> tuple[int, bytes | None, int | None, int]:
        """Keep a batch; gives its size, itself or its place, and its checksum."""
        checksum = compute_checksum(table, event.job, event.start, event.stop, batch)
        if len(batch) < PAYLOAD_BYTES:
            return len(batch), batch, None, checksum
        payload = self._payloads.put(batch)
        self._taken.append(payload)
        return payload.size, None, payload.place, checksum

    def _drop(self, table: str, where: str, job: str, *rest: object) -> None:
        """Delete rows of a job, and remember the places of their payloads."""
        query = f"SELECT place, size_bytes FROM {table} WHERE {where} AND place IS NOT NULL"  # noqa: S608 - our own names
        for place, size in self._writer.execute(query, (job, *rest)):
            self._forgotten.append(Payload(place, size))
        self._writer.execute(f"DELETE FROM {table} WHERE {where}", (job, *rest))  # noqa: S608

    def _count_attempts(
        self, job: str, start: int, stop: int, attempts: int, *, lost: bool
    ) -> None:
        self._writer.execute(
            "INSERT INTO attempts (job, start, stop, attempts, lost) VALUES (?, ?, ?, ?, ?)",
            (job, start, stop, attempts, lost),
        )

    def _update_job(self, job: Job) -> None:
        if job.is_final:
            self._writer.execute("DELETE FROM attempts WHERE job = ?", (job.spec.id,))
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
                job.ended_because,
                job.deadline,
                job.ended,
                pack(job.counters) if job.counters else None,
                job.log.dropped,
                job.spec.id,
            ),
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
