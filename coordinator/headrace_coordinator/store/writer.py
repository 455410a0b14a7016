"""Writes events as rows, within a transaction that ``Store`` begins and ends."""

from __future__ import annotations

import sqlite3
from operator import attrgetter

from headrace_coordinator.checksums import compute_checksum, compute_spec_checksum
from headrace_coordinator.queue import events
from headrace_coordinator.queue.events import Event
from headrace_coordinator.queue.job import Job
from headrace_coordinator.store import need
from headrace_coordinator.store.history import History
from headrace_coordinator.store.payload_file import Payload, PayloadFile
from headrace_coordinator.store.removals import Removals
from headrace_coordinator.store.schema import INSERT_FAILURE, JOB_COLUMNS, UPDATE_JOB
from headrace_coordinator.store.shared_tables import write_shared
from headrace_coordinator.store.sweep import Sweep
from headrace_wire.encoding import pack
from headrace_wire.message import dump

_read_columns = attrgetter(*JOB_COLUMNS)


class EventWriter:
    """Writes with one connection. Methods raise sqlite3.Error and OSError.

    For the current transaction, ``taken`` are places of payloads that it begins to use,
    ``forgotten`` those that become free with it, and ``run_numbers`` the numbers of accepted spans.
    """

    def __init__(
        self, connection: sqlite3.Connection, payloads: PayloadFile, history_seconds: float
    ) -> None:
        self._connection = connection
        self.history = History(connection, history_seconds)
        self._payloads = payloads
        self.sweep = Sweep(connection, self._forget)
        self.begin()

    def begin(self) -> None:
        self.taken: list[Payload] = []
        self.forgotten: list[Payload] = []
        self.run_numbers: list[int] = []

    def write_event(self, event: Event) -> None:
        execute = self._connection.execute
        match event:
            case events.SpanDone():
                number = self._insert_batch("results", event, event.values)
                self.run_numbers.append(number)
            case events.InputsPut():
                self._insert_batch("inputs", event, event.inputs)
            case events.JobSubmitted():
                self._insert_job(event)
            case events.SpanLost():
                self._delete_batch("results", event.job, event.start)
            case events.TaskDead():
                failure = event.failure
                execute(INSERT_FAILURE, (failure.job, failure.index, pack(dump(failure))))
            case events.TaskRevived():
                execute("DELETE FROM failures WHERE job = ? AND task = ?", (event.job, event.index))
                self._count_attempts(event.job, event.index, event.index + 1, 0, lost=False)
            case events.AttemptsCounted():
                self._count_attempts(
                    event.job, event.start, event.stop, event.attempts, lost=event.lost
                )
            case events.ResultsDropped():
                self._drop_results(event)
            case events.LinesLogged():
                self._write_lines(event)
            case events.JobExpired(summary=past) if past is not None:
                self.history.add(event, past)
            case events.SummaryDropped():
                self.history.remove(event.job)
            case events.JobDeleted():
                self.sweep.begin(event.job)
                execute("DELETE FROM jobs WHERE id = ?", (event.job,))
            case _:
                write_shared(self._connection, event)  # if it is one of shared state

    def update_job(self, job: Job) -> None:
        """Write what has changed in a job's own row."""
        if job.is_final:
            self._connection.execute("DELETE FROM attempts WHERE job = ?", (job.spec.id,))
        counters = pack(job.counters) if job.counters else None
        times = pack(job.times.counts) if job.times.counts else None
        values = (*_read_columns(job), counters, times, job.log.dropped, job.spec.id)
        self._connection.execute(UPDATE_JOB, values)

    def remove(self, removals: Removals) -> None:
        """Delete rows that are no longer needed."""
        for table, job, start in removals.rows:
            self._delete_batch(table, job, start)
        for job, dropped in removals.dropped.items():
            query = "UPDATE jobs SET dropped = ? WHERE id = ?"
            self._connection.execute(query, (_pack_spans(dropped), job))

    def _insert_job(self, event: events.JobSubmitted) -> None:
        job, spec = event.spec.id, pack(dump(event.spec))
        self.sweep.finish(job)
        checksum = compute_spec_checksum(job, spec)
        self._connection.execute(
            "INSERT INTO jobs (id, spec, state, tasks, sealed, cpu_seconds, busy_seconds,"
            " bytes_in, bytes_out, submitted_at, results_kept, ended_because,"
            " lines_dropped, checksum, submitted_by)"
            " VALUES (?, ?, 'queued', 0, 0, 0, 0, 0, 0, ?, 1, '', 0, ?, ?)",
            (job, spec, event.submitted_at, checksum, event.submitted_by),
        )

    def _drop_results(self, event: events.ResultsDropped) -> None:
        self.sweep.begin(event.job, results_only=True)
        self._connection.execute(
            "UPDATE jobs SET results_kept = 0, dropped = ? WHERE id = ?",
            (_pack_spans(event.dropped), event.job),
        )

    def _write_lines(self, event: events.LinesLogged) -> None:
        """Insert lines that a job's tasks printed, and delete those for which there is no room."""
        lines = pack(dump(event.lines))
        self._connection.execute(
            "INSERT INTO lines (job, worker, report, count, size_bytes, lines) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (event.job, *event.part, len(event.lines), event.size_bytes, lines),
        )
        self._connection.executemany(
            "DELETE FROM lines WHERE job = ? AND worker = ? AND report = ?",
            [(event.job, *part) for part in event.trimmed],
        )

    def _insert_batch(
        self, table: str, event: events.InputsPut | events.SpanDone, batch: bytes
    ) -> int:
        """Insert a batch of inputs or results. Returns the row's number."""
        checksum = compute_checksum(table, event.job, event.start, event.stop, batch)
        content: bytes | None = batch
        place: int | None = None
        if len(batch) >= need.LARGE_BYTES:
            payload = self._payloads.put(batch)
            self.taken.append(payload)
            content, place = None, payload.place
        inserted = self._connection.execute(
            f"INSERT INTO {table} (job, start, stop, size_bytes, batch, place, checksum) "  # noqa: S608 - our own names
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event.job, event.start, event.stop, len(batch), content, place, checksum),
        )
        return inserted.lastrowid or 0

    def _delete_batch(self, table: str, job: str, start: int) -> None:
        """Delete a batch, and remember the place of its payload."""
        where = f"FROM {table} WHERE job = ? AND start = ?"
        query = f"SELECT place, size_bytes {where} AND place IS NOT NULL"
        for place, size in self._connection.execute(query, (job, start)):
            self._forget(Payload(place, size))
        self._connection.execute(f"DELETE {where}", (job, start))

    def _forget(self, payload: Payload) -> None:
        self.forgotten.append(payload)

    def _count_attempts(
        self, job: str, start: int, stop: int, attempts: int, *, lost: bool
    ) -> None:
        self._connection.execute(
            "INSERT INTO attempts (job, start, stop, attempts, lost) VALUES (?, ?, ?, ?, ?)",
            (job, start, stop, attempts, lost),
        )


def _pack_spans(spans: tuple[tuple[int, int], ...]) -> bytes:
    return pack([list(span) for span in spans])
