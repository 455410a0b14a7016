"""The store: one SQLite file in WAL mode, which contains everything that is acknowledged.

Only the ledger writes, in one transaction for all events that are ready at the same time.
``StoreReader`` reads, over a connection of its own that sees what is committed. What is committed
survives the death of the process at any moment. With the durability ``process``
(``synchronous=NORMAL``), a power cut may lose the last transactions, but never the file. With
``power`` (``FULL``), each commit waits for the disk, and a power cut loses nothing
(https://sqlite.org/pragma.html#pragma_synchronous).

    jobs      one row for each job: its specification, counts and times
    inputs    one row for each batch of carried inputs, deleted some time after its tasks are done
    results   one row for each accepted span of values, deleted when acknowledged or after delivery
    failures  one row for each dead task
    attempts  one row for each span of tasks that waits again after an attempt; the newest counts
    shared…   shared state: see ``headrace_coordinator.store.shared_tables``
    history   one row for each job that has expired: see ``headrace_coordinator.store.history``
    lines     one row for the lines of one report in a job's log; the oldest are deleted
    clock     the coordinator's own time, which continues where it stopped
    made_by   which version of headrace gave the store its schema

Inputs and results of ``LARGE_BYTES`` or more are in the payload file, and their rows say where. A
payload is in that file, and with ``power`` synced, before the row that names it is committed. With
``process``, a power cut may leave rows whose payload did not reach the disk. The next start deletes
them, as if their transaction had been among the last ones.

Each row of inputs or results has a checksum of its content and of the tasks that it belongs to,
which is compared whenever the content is read.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from headrace_coordinator.queue.events import Event, InputsDropped, JobChanged, SpansDelivered
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.queue import Attempted
from headrace_coordinator.queue.rules import DEFAULT_HISTORY_SECONDS
from headrace_coordinator.shared.state import StoredState
from headrace_coordinator.store.disk import (
    RESERVE_SUFFIX,
    Disk,
    explain_files,
    explain_reading,
    is_want_of_room,
)
from headrace_coordinator.store.files import sync
from headrace_coordinator.store.history_reader import HistoryReader
from headrace_coordinator.store.loading import load_jobs, load_payloads
from headrace_coordinator.store.locks import LOCK_SUFFIX
from headrace_coordinator.store.need import OUTCOMES, Need
from headrace_coordinator.store.opening import prepare, read_version
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX, PayloadFile
from headrace_coordinator.store.reader import StoreReader, connect
from headrace_coordinator.store.refusals import (
    explain_damage,
    explain_opening,
    explain_writing,
    refuse_emptied,
    refuse_foreign,
)
from headrace_coordinator.store.removals import Removals
from headrace_coordinator.store.schema import (
    INSERT_FAILURE,
)
from headrace_coordinator.store.shared_tables import load_shared
from headrace_coordinator.store.space import Space
from headrace_coordinator.store.writer import EventWriter
from headrace_wire.errors import HeadraceError, StoreError
from headrace_wire.system.file_lock import open_lock

Result = TypeVar("Result")

#: What a commit survives: the death of the process, or also a power cut.
Durability = Literal["process", "power"]

#: The setting of SQLite for each.
SYNCHRONOUS: dict[Durability, str] = {"process": "NORMAL", "power": "FULL"}

#: If the log has more pages than this (64 MiB), a commit checkpoints it, although another thread
#: normally does that.
LOG_PAGES = 16384

#: How many seconds the stored clock may be behind the last commit.
CLOCK_SECONDS = 1.0

#: How many bytes are written to find out whether there is space on the disk again.
PROBE_BYTES = 64 << 10


class Store:
    """The database of one data folder. Raises StoreError if it cannot be opened or is damaged.

    ``scratch`` is as in ``Rules``, for messages.

    Only one thread at a time may call the methods, except for ``fold_log``.
    """

    def __init__(
        self,
        path: Path,
        durability: Durability = "process",
        history_seconds: float = DEFAULT_HISTORY_SECONDS,
        scratch: str = "",
    ) -> None:
        self._path = path
        self._scratch = scratch
        self._history_seconds = history_seconds
        self._durability: Durability = durability
        self._removals = Removals()
        self._clock_seconds = 0.0
        self._folder: sqlite3.Connection | None = None
        #: Whether the last write failed because the disk was full.
        self.lacks_room = False
        with contextlib.ExitStack() as stack:
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._disk = Disk(self._beside(RESERVE_SUFFIX))
                stack.callback(self._disk.close)
                self._backups = open_lock(self._beside(LOCK_SUFFIX))
                stack.callback(self._backups.close)
                stack.enter_context(self._with_reserve(self._open))
            except (sqlite3.Error, OSError) as error:
                raise StoreError(explain_opening(path, error)) from None
            self._opened = stack.pop_all()
        self._inode = path.stat().st_ino

    def close(self) -> None:
        """Close every connection. The write-ahead log is checkpointed."""
        self._opened.close()

    def write(
        self,
        events: Sequence[Event],
        jobs: dict[str, Job],
        clock_seconds: float,
        *,
        reserve: bool = False,
    ) -> None:
        """Commit events in one transaction. Raises StoreError; then none of them is committed.

        The stored clock is at most CLOCK_SECONDS older than the last commit. With ``reserve``,
        space of the reserve is used on a full disk.
        """
        try:
            if reserve:
                self._with_reserve(lambda: self._write(events, jobs, clock_seconds))
            else:
                self._write(events, jobs, clock_seconds)
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def _write(self, events: Sequence[Event], jobs: dict[str, Job], clock_seconds: float) -> None:
        rows = self._rows
        rows.begin()
        remove = tick = False
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                self._write_events(events, jobs, clock_seconds)
                remove = self._removals.are_due(clock_seconds)
                if remove:
                    rows.remove(self._removals)
                tick = not 0 <= clock_seconds - self._clock_seconds < CLOCK_SECONDS
                if tick:
                    self._writer.execute("UPDATE clock SET seconds = ?", (clock_seconds,))
                if self._durability == "power":
                    self._payloads.sync()
        except BaseException:
            self._payloads.free(rows.taken)
            rows.sweep.load()
            rows.history.load()
            raise
        self._payloads.free(rows.forgotten)
        self.reader.recent.note(events, rows.run_numbers)
        if remove:
            self._removals.clear()
        if tick:
            self._clock_seconds = clock_seconds

    def _write_events(
        self, events: Sequence[Event], jobs: dict[str, Job], clock_seconds: float
    ) -> None:
        """Write events, and the rows of changed jobs once. Removals are collected for later."""
        changed: dict[str, None] = {}
        for event in events:
            if isinstance(event, JobChanged):
                changed[event.job] = None
            elif isinstance(event, InputsDropped | SpansDelivered):
                self._removals.add(event, clock_seconds)
            else:
                self._rows.write_event(event)
        for job_id in changed:
            if job_id in jobs:
                self._rows.update_job(jobs[job_id])

    def sweep(self, now_seconds: float) -> bool:
        """Remove some rows of deleted jobs, and some that are too old in the history.

        Returns whether there are more. Raises StoreError.
        """
        rows = self._rows
        if rows.sweep or rows.history.is_due(now_seconds):
            try:
                self._with_reserve(lambda: self._sweep_some(now_seconds))
            except (sqlite3.Error, OSError) as error:
                rows.sweep.load()
                rows.history.load()
                raise self._explain(error) from None
        return bool(rows.sweep) or rows.history.is_due(now_seconds)

    def _sweep_some(self, now_seconds: float) -> None:
        rows = self._rows
        rows.begin()
        rows.sweep.load()
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            if rows.sweep:
                rows.sweep.step()
            if rows.history.is_due(now_seconds):
                rows.history.trim(now_seconds)
        self._payloads.free(rows.forgotten)

    def mend(self, *, failed: bool) -> None:
        """Check that the store is in its place, that it can be written again if it ``failed``, and
        that it has a reserve.

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
        if failed:
            if self.lacks_room and (shortage := self.find_shortage(OUTCOMES)):
                raise StoreError(shortage)
            self._probe()
        self.lacks_room = False
        with contextlib.suppress(OSError):  # tried again the next time
            self._disk.fill()

    def _probe(self) -> None:
        """Write something and remove it again. Raises StoreError if that is not possible."""
        try:
            with self._writer:
                self._writer.execute("BEGIN IMMEDIATE")
                self._writer.execute(INSERT_FAILURE, ("", 0, bytes(PROBE_BYTES)))
            with self._writer:
                self._writer.execute("DELETE FROM failures WHERE job = ''")
            self._payloads.free([self._payloads.put(bytes(PROBE_BYTES))])
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def find_shortage(self, need: Need) -> str:
        """Return a message if the disk has too little space for a need, "" if it has enough."""
        try:
            shortage = self.space.find_shortage(need)
        except (sqlite3.Error, OSError) as error:
            return self._explain(error).message
        self.lacks_room = self.lacks_room or bool(shortage)
        return shortage

    def measure_room(self) -> int:
        """Return how many bytes may be written to the disk, 0 if this cannot be measured."""
        try:
            return self.space.measure_room()
        except (sqlite3.Error, OSError):  # ``find_shortage`` reports it
            return 0

    def compact(self) -> None:
        """Return the space of deleted jobs to the disk. Raises StoreError."""
        try:
            self.space.compact()
        except (sqlite3.Error, OSError) as error:
            raise self._explain(error) from None

    def _with_reserve(self, write: Callable[[], Result]) -> Result:
        """Write something. If the disk is full, release pieces of the reserve."""
        folded = False
        while True:
            try:
                return write()
            except (sqlite3.Error, OSError) as error:
                if not is_want_of_room(error):
                    raise
                if not folded:  # this needs no space, and comes first
                    folded = True
                    # The store may not be open yet; then there is no writer.
                    with contextlib.suppress(sqlite3.Error, OSError, AttributeError):
                        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
                elif not self._disk.release_piece():
                    raise

    def leave_log(self) -> None:
        """Leave the log to ``fold_log``, up to a length that it should never reach."""
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")

    def fold_log(self) -> None:
        """Checkpoint the log, while others read and write. Raises StoreError.

        This is for one thread, besides the one that writes.
        """
        try:
            if self._folder is None:
                self._folder = connect(self._path)
                self._opened.callback(self._folder.close)
            self._folder.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            raise self._explain(error) from None

    def _explain(self, error: sqlite3.Error | OSError) -> StoreError:
        self.lacks_room = is_want_of_room(error)
        return StoreError(explain_writing(self._path, error))

    def load(self) -> list[tuple[Job, list[Attempted]]]:
        """Return every job in the order of submission, with the attempts of its tasks.

        Raises StoreError.
        """
        with self._report_damage():
            payloads = self._with_reserve(lambda: load_payloads(self._writer, self._payloads))
            self._payloads.restore(payloads)
            self._rows.sweep.load()
            jobs, superfluous = load_jobs(self._writer)
        now_seconds = self.load_clock()
        self._removals.clear()
        for inputs in superfluous:
            self._removals.add(inputs, now_seconds)
        return jobs

    def load_shared(self) -> StoredState:
        """Return all shared state. Raises StoreError."""
        with self._report_damage():
            return load_shared(self._writer)

    def load_clock(self) -> float:
        """Return the coordinator's own time at the last commit, in seconds. Raises StoreError."""
        with self._report_damage():
            (seconds,) = self._writer.execute("SELECT seconds FROM clock").fetchone()
            return float(seconds)

    @contextlib.contextmanager
    def _report_damage(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, TypeError, LookupError, HeadraceError) as error:
            if isinstance(error, sqlite3.Error | OSError) and explain_files(error):
                raise StoreError(explain_reading(self._path, error)) from None
            raise StoreError(explain_damage(self._path, error)) from None

    def has_due_removals(self, now_seconds: float) -> bool:
        """Return whether there is something that a commit should remove by now."""
        return self._removals.are_due(now_seconds)

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _open(self) -> contextlib.ExitStack:
        """Open the files. Returns what closes them."""
        with contextlib.ExitStack() as stack:
            is_new = not self._path.exists()
            refuse_emptied(self._path)
            if is_new:  # SQLite would let other users read it, and its log
                self._path.touch(mode=0o600)
            self._writer = connect(self._path)
            stack.callback(self._writer.close)
            self._writer.execute(f"PRAGMA synchronous = {SYNCHRONOUS[self._durability]}")
            self._writer.execute("PRAGMA temp_store = MEMORY")  # for VACUUM
            version = read_version(self._path, self._writer)
            if version == 0:
                refuse_foreign(self._path, self._writer, is_new=is_new)
            self._payloads = PayloadFile(self._beside(PAYLOAD_SUFFIX), self._backups.is_held)
            stack.callback(self._payloads.close)
            prepare(self._path, self._writer, self._payloads, version)
            self._rows = EventWriter(self._writer, self._payloads, self._history_seconds)
            self.space = Space(self._path, self._disk, self._writer, self._payloads, self._scratch)
            self.reader = StoreReader(self._path, self._payloads)
            stack.callback(self.reader.close)
            self.history = HistoryReader(self._path)
            stack.callback(self.history.close)
            # The folder's own entry, and the file's entry in it.
            if self._durability == "power":
                sync(self._path.parent.parent)
                sync(self._path.parent)
            return stack.pop_all()
