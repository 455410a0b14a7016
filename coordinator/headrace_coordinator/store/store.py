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
    shared…   shared state; see ``headrace_coordinator.store.shared_tables``
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

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from headrace_coordinator.checksums import compute_checksum, compute_spec_checksum
from headrace_coordinator.queue.events import (
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
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.queue import Attempted
from headrace_coordinator.shared.state import StoredState
from headrace_coordinator.store.backup_lock import LOCK_SUFFIX, BackupLock
from headrace_coordinator.store.disk import RESERVE_SUFFIX, Disk, is_want_of_room, sync
from headrace_coordinator.store.loading import load_jobs, load_payloads
from headrace_coordinator.store.migrations import MIGRATED_VERSIONS, migrate
from headrace_coordinator.store.need import INTAKE, LARGE_BYTES, OUTCOMES, Need
from headrace_coordinator.store.payload_file import (
    PAYLOAD_SUFFIX,
    SPARE_BYTES,
    Payload,
    PayloadFile,
)
from headrace_coordinator.store.reader import BUSY_SECONDS, LOG_BYTES, StoreReader, connect
from headrace_coordinator.store.removals import Removals
from headrace_coordinator.store.schema import INSERT_FAILURE, SCHEMA, SCHEMA_VERSION, UPDATE_JOB
from headrace_coordinator.store.shared_tables import SHARED_SCHEMA, load_shared, write_shared
from headrace_coordinator.store.sweep import DOOMED_SCHEMA, Sweep
from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError, StoreError
from headrace_wire.message import dump

Result = TypeVar("Result")

#: What a commit survives: the death of the process, or a power cut as well.
Durability = Literal["process", "power"]

#: SQLite's word for each.
SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "power": "FULL"}

#: A file with so many free bytes, and no more than so many in use, is rewritten without them: what
#: is in use takes a fraction of a second.
FREE_BYTES = 256 << 20
LIVE_BYTES = 64 << 20

#: Inputs or results of so many bytes are kept in the payload file.
PAYLOAD_BYTES = LARGE_BYTES

#: A disk with less than so many floors free is nearly full.
PRESSED_FLOORS = 4

#: The payload file keeps so many floors for use, at most.
SPARE_FLOORS = 8

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
        self._durability: Durability = durability
        self._taken: list[Payload] = []
        self._forgotten: list[Payload] = []
        self._removals = Removals()
        self._run_numbers: list[int] = []
        self._clock_seconds = 0.0
        self._folder: sqlite3.Connection | None = None
        #: Whether the last thing that could not be written failed for want of room.
        self.lacks_room = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._disk = Disk(path.with_name(path.name + RESERVE_SUFFIX))
            self._backups = BackupLock(path.with_name(path.name + LOCK_SUFFIX))
        except OSError as error:
            raise StoreError(f"the store {path} cannot be opened: {error}") from None
        try:
            self._with_reserve(self._open)
        except (sqlite3.Error, OSError) as error:
            self._disk.close()
            self._backups.close()
            if is_want_of_room(error):
                raise StoreError(
                    f"the store {path} cannot be opened, as its disk is full: make room on the "
                    f"disk of {path.parent}, and start again"
                ) from None
            raise StoreError(f"the store {path} cannot be opened: {error}") from None
        except BaseException:
            self._disk.close()
            self._backups.close()
            raise
        self._inode = path.stat().st_ino

    def close(self) -> None:
        """Close every connection; the write-ahead log is folded into the file."""
        self.reader.close()
        if self._folder:
            self._folder.close()
        self._writer.close()
        self._payloads.close()
        self._disk.close()
        self._backups.close()

    def write(
        self,
        events: Sequence[Event],
        jobs: dict[str, Job],
        clock_seconds: float,
        *,
        reserve: bool = False,
    ) -> None:
        """Commit events in one transaction. Raises StoreError, and then none of them is in.

        The clock is at most CLOCK_SECONDS older than the last commit. With ``reserve`` a full disk
        keeps nothing of it out.
        """
        try:
            if reserve:
                self._with_reserve(lambda: self._write(events, jobs, clock_seconds))
            else:
                self._write(events, jobs, clock_seconds)
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def _write(self, events: Sequence[Event], jobs: dict[str, Job], clock_seconds: float) -> None:
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
        except BaseException:
            self._payloads.free(self._taken)
            self._sweep.load()
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

    def mend(self, *, failed: bool) -> None:
        """See that the store is in its place, can be written if that ``failed``, and has a reserve.

        Raises StoreError.
        """
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = -1
        if inode != self._inode:
            self.lacks_room = False
            raise StoreError(
                f"the store {self._path} was removed or replaced while the coordinator runs: what "
                "is written now would be lost. Stop this coordinator, and start it again"
            )
        if failed and self.lacks_room and (shortage := self.find_shortage(OUTCOMES)):
            raise StoreError(shortage)
        if failed:
            self.probe()
        self.lacks_room = False
        with contextlib.suppress(OSError):  # the next look tries again
            self._disk.fill()

    def find_shortage(self, need: Need) -> str:
        """Say that the disk has too little room for something; "" where it has enough."""
        free = self._disk.measure_free()
        wanted = need.size_bytes + need.floors * self._disk.floor_bytes
        if free >= wanted + LOG_BYTES or free >= wanted + self._measure_unfolded():
            return ""
        self.lacks_room = True
        return (
            f"the coordinator's store cannot be written (its disk is full: {free} bytes are free, "
            f"{wanted} are needed): make room on the disk of {self._path.parent}, or delete jobs; "
            "nothing acknowledged is lost"
        )

    def measure_room(self) -> int:
        """Bytes for which there is room on the disk, beyond what is left free."""
        taken = INTAKE.floors * self._disk.floor_bytes + self._measure_unfolded()
        return max(0, self._disk.measure_free() - taken)

    def compact(self) -> None:
        """Give the disk back what deleted jobs took: all of it when the disk is nearly full.

        Otherwise when hardly anything is left in the file. Raises StoreError when that cannot be
        done.
        """
        try:
            pressed = self._disk.measure_free() < PRESSED_FLOORS * self._disk.floor_bytes
            execute = self._writer.execute
            (size,) = execute("PRAGMA page_size").fetchone()
            (free,) = execute("PRAGMA freelist_count").fetchone()
            (pages,) = execute("PRAGMA page_count").fetchone()
            live_bytes = (pages - free) * size
            spare_bytes = min(SPARE_BYTES, SPARE_FLOORS * self._disk.floor_bytes)
            self._payloads.trim(0 if pressed else spare_bytes)
            if pressed:
                self._cut_log()
                most = min(LIVE_BYTES, self._disk.measure_free() - self._disk.floor_bytes)
            else:
                most = LIVE_BYTES
            least = self._disk.floor_bytes if pressed else FREE_BYTES
            if free * size >= least and live_bytes <= most:
                execute("VACUUM")
                self._cut_log()
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def _cut_log(self) -> None:
        """Fold the log and give back its room, unless somebody reads from it."""
        self._writer.execute("PRAGMA busy_timeout = 0")
        try:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._writer.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def _measure_unfolded(self) -> int:
        """Bytes by which the database's file will grow when the log is folded into it."""
        (size,) = self._writer.execute("PRAGMA page_size").fetchone()
        (pages,) = self._writer.execute("PRAGMA page_count").fetchone()
        try:
            folded_bytes = self._path.stat().st_size
        except OSError:  # it was taken away: see ``mend``
            return 0
        return max(0, int(pages * size) - folded_bytes)

    def _with_reserve(self, write: Callable[[], Result]) -> Result:
        """Write something; where the disk has no room for it, the reserve makes some."""
        relieved = False
        while True:
            try:
                return write()
            except (sqlite3.Error, OSError) as error:
                if not is_want_of_room(error):
                    raise
                if not relieved:  # first what takes no room: the log is begun again
                    relieved = True
                    with contextlib.suppress(sqlite3.Error, OSError, AttributeError):
                        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
                elif not self._disk.give():
                    raise

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
        self.lacks_room = is_want_of_room(error)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(
                f"the coordinator's store {self._path} cannot be written, as another process has "
                "locked it: end that one; nothing acknowledged is lost"
            )
        return StoreError(
            f"the coordinator's store cannot be written ({error}): make room on the disk of "
            f"{self._path.parent}; nothing acknowledged is lost"
        )

    def load(self) -> list[tuple[Job, list[Attempted]]]:
        """Every job in the order of submission, and how often which of its tasks were tried.

        Raises StoreError.
        """
        try:
            payloads = self._with_reserve(lambda: load_payloads(self._writer, self._payloads))
            self._payloads.restore(payloads)
            self._sweep.load()
            jobs, superfluous = load_jobs(self._writer)
        except (sqlite3.Error, OSError, ValueError, HeadraceError) as error:
            raise StoreError(f"the store {self._path} is damaged: {error}") from None
        now_seconds = self.load_clock()
        self._removals.clear()
        for inputs in superfluous:
            self._removals.add(inputs, now_seconds)
        return jobs

    def load_shared(self) -> StoredState:
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

    def measure_free(self) -> int:
        """Bytes that are free on the store's disk."""
        return self._disk.measure_free()

    def _open(self) -> None:
        self._writer = connect(self._path)
        try:
            self._writer.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self._durability]}")
            self._writer.execute("PRAGMA temp_store = MEMORY")  # for VACUUM
            self._require_known_version()
            self._payloads = PayloadFile(
                self._path.with_name(self._path.name + PAYLOAD_SUFFIX), self._backups.is_held
            )
            self._prepare()
            self._writer.executescript(DOOMED_SCHEMA)
            self._sweep = Sweep(self._writer, self._forget)
            self.reader = StoreReader(self._path, self._payloads)
            if self._durability == "power":  # the folder's own entry, and the file's in it
                sync(self._path.parent.parent)
                sync(self._path.parent)
        except BaseException:
            self._writer.close()
            raise

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
                self._sweep.finish(event.spec.id)
                spec = pack(dump(event.spec))
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
                execute(INSERT_FAILURE, (failure.job, failure.index, pack(dump(failure))))
            case TaskRevived():
                execute("DELETE FROM failures WHERE job = ? AND task = ?", (event.job, event.index))
                self._count_attempts(event.job, event.index, event.index + 1, 0, lost=False)
            case AttemptsCounted():
                self._count_attempts(
                    event.job, event.start, event.stop, event.attempts, lost=event.lost
                )
            case ResultsDropped():
                dropped = pack([list(piece) for piece in event.dropped])
                self._sweep.begin(event.job, results_only=True)
                execute(
                    "UPDATE jobs SET results_kept = 0, dropped = ? WHERE id = ?",
                    (dropped, event.job),
                )
            case LinesLogged():
                lines = pack(dump(event.lines))
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
                self._sweep.begin(event.job)
                execute("DELETE FROM jobs WHERE id = ?", (event.job,))
            case _:
                write_shared(self._writer, event)  # or for metrics and waiting calls

    def _forget(self, payload: Payload) -> None:
        """Have a place come free with the commit."""
        self._forgotten.append(payload)

    @property
    def has_doomed_rows(self) -> bool:
        """Whether rows of jobs that are forgotten are still to go: see ``sweep``."""
        return bool(self._sweep)

    def sweep(self) -> None:
        """Take out some of them. Raises StoreError."""
        try:
            self._with_reserve(self._sweep_some)
        except (sqlite3.Error, OSError) as error:
            self._sweep.load()
            raise self._explain(error) from None

    def _sweep_some(self) -> None:
        self._forgotten = []
        self._sweep.load()
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            if self._sweep:
                self._sweep.step()
        self._payloads.free(self._forgotten)

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
