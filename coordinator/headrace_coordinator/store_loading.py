"""Reading the whole store back into jobs, when a coordinator starts or starts over."""

from __future__ import annotations

import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from headrace_coordinator.events import InputsDropped
from headrace_coordinator.job import Job
from headrace_coordinator.job_log import LogPart
from headrace_coordinator.payload_file import Payload, PayloadFile
from headrace_coordinator.queue import Attempted
from headrace_coordinator.ranges import RangeSet
from headrace_coordinator.schema import SELECT_JOBS, Row
from headrace_wire.encoding import unpack
from headrace_wire.messages import CANCELLED, FAILED, JobSpec

log = logging.getLogger(__name__)

#: Where the kernel says which of its starts this is.
BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")

#: Why a job has failed of which a power cut took something.
INPUTS_LOST = "a power cut took some of its inputs: submit it again"
RESULTS_LOST = "a power cut took some of its results: retry it, or submit it again"


def load_jobs(
    connection: sqlite3.Connection,
) -> tuple[list[tuple[Job, list[Attempted]]], list[InputsDropped]]:
    """Every job in the order of submission, and how often which of its tasks were tried.

    And the inputs of tasks that are done. Raises sqlite3.Error, ValueError and HeadraceError for a
    store that makes no sense.
    """
    rows = connection.execute(SELECT_JOBS).fetchall()
    superfluous: list[InputsDropped] = []
    jobs = [
        (_load_job(connection, row, superfluous), _load_attempts(connection, row[0]))
        for row in rows
    ]
    return jobs, superfluous


def load_payloads(
    connection: sqlite3.Connection, payloads: PayloadFile
) -> list[tuple[Row, Payload]]:
    """Every payload, with the row that names it.

    Once after each start of the machine their contents are checked, and rows are dropped whose
    payload is not known to be what it was. Raises sqlite3.Error and OSError.
    """
    found: dict[Row, Payload] = {}
    for table in ("inputs", "results"):
        query = (
            f"SELECT job, start, place, size_bytes, checksum FROM {table} WHERE place IS NOT NULL"  # noqa: S608 - our own names
        )
        for job, start, *about in connection.execute(query):
            found[table, job, start] = Payload(*about)
    boot = BOOT_FILE.read_text().strip() if BOOT_FILE.exists() else ""
    (known,) = connection.execute("SELECT boot FROM clock").fetchone()
    if boot != known:
        damaged = [row for row, payload in found.items() if not payloads.is_whole(payload)]
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for row in damaged:
                del found[row]
                table, *about = row
                connection.execute(f"DELETE FROM {table} WHERE job = ? AND start = ?", about)  # noqa: S608
            connection.execute("UPDATE clock SET boot = ?", (boot,))
        if damaged:
            log.warning(
                "%d batches of inputs or results did not survive a power cut: tasks without a "
                "result run again", len(damaged)
            )  # fmt: skip
    return list(found.items())


def _load_job(
    connection: sqlite3.Connection, row: tuple[Any, ...], superfluous: list[InputsDropped]
) -> Job:
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
        ended_because,
        deadline,
        ended,
        dropped,
        counters,
        lines_dropped,
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
        ended_because=ended_because,
        deadline=deadline,
        ended=ended,
        counters=unpack(counters) if counters else {},
    )
    job.log.dropped = lines_dropped
    for start, stop in unpack(dropped) if dropped else ():
        job.dropped.add(start, stop)
        job.done.add(start, stop)
    execute = connection.execute
    results = "SELECT start, stop, size_bytes FROM results WHERE job = ?"
    for start, stop, size in execute(results, (job_id,)):
        job.done.add(start, stop)
        job.result_bytes += size
        if job.spec.owned:
            job.undelivered[start] = (stop, size)
    for (index,) in execute("SELECT task FROM failures WHERE job = ?", (job_id,)):
        job.dead.add(index, index + 1)
    lines = "SELECT worker, report, count, size_bytes FROM lines WHERE job = ? ORDER BY number"
    for worker, report, count, size in execute(lines, (job_id,)):
        job.log.add(LogPart(worker, report), count, size)
    job.spool_bytes = job.result_bytes
    chunks = "SELECT start, stop, size_bytes FROM inputs WHERE job = ? ORDER BY start"
    for start, stop, size in execute(chunks, (job_id,)):
        if job.done.covers(start, stop):
            superfluous.append(InputsDropped(job_id, start, size))
        else:
            job.chunks.append(start, stop, size)
            job.spool_bytes += size
    _note_losses(job, connection)
    return job


def _note_losses(job: Job, connection: sqlite3.Connection) -> None:
    """End a job that cannot go on, or that had ended well, without what a power cut took."""
    unfinished = job.tasks - job.done.count - job.dead.count
    if job.is_final and job.state != CANCELLED and unfinished and not job.ended_because:
        job.state = FAILED
        job.ended_because = RESULTS_LOST
    if job.spec.carried and not _has_inputs(job):
        job.sealed = False
        if not job.is_final:
            (clock,) = connection.execute("SELECT seconds FROM clock").fetchone()
            job.end(FAILED, clock, time.time(), INPUTS_LOST)


def _has_inputs(job: Job) -> bool:
    """Tell whether every task that may still run has its input."""
    kept = RangeSet(zip(job.chunks.starts, job.chunks.stops, strict=True))
    return all(job.done.covers(start, stop) for start, stop in kept.missing(0, job.tasks))


def _load_attempts(connection: sqlite3.Connection, job_id: str) -> list[Attempted]:
    query = "SELECT start, stop, attempts, lost FROM attempts WHERE job = ? ORDER BY number"
    return [
        (start, stop, attempts, bool(lost))
        for start, stop, attempts, lost in connection.execute(query, (job_id,))
    ]
