"""Loads all jobs from the store, when a coordinator starts or its queue is rebuilt."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from headrace_coordinator.checksums import compute_checksum, compute_spec_checksum
from headrace_coordinator.queue.events import InputsDropped
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.job_log import LogPart
from headrace_coordinator.queue.queue import Attempted
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.time_counts import TimeCounts
from headrace_coordinator.store.losses import Losses
from headrace_coordinator.store.payload_file import Payload, PayloadFile
from headrace_coordinator.store.schema import JOB_COLUMNS, Row
from headrace_wire.encoding import unpack
from headrace_wire.errors import HeadraceError
from headrace_wire.log_format import about
from headrace_wire.message import decode_trusted
from headrace_wire.messages.jobs import CANCELLED, FAILED, JobSpec
from headrace_wire.system.portable import PORTABLE

log = logging.getLogger(__name__)

#: The file in which Linux has an id of its present boot.
BOOT_FILE: Path | None = None if PORTABLE else Path("/proc/sys/kernel/random/boot_id")

#: Why a job fails that has lost something in a power cut, or with the payload file.
INPUTS_LOST = "some of its inputs are no longer in the coordinator's store: submit it again"
RESULTS_LOST = (
    "some of its results are no longer in the coordinator's store: retry it, or submit it again"
)

#: Why a job fails whose parameters do not match their checksum.
PARAMETERS_DAMAGED = "its parameters are damaged in the coordinator's store: submit it again"

#: The consequence of lost payloads: if the rows that name them are deleted, and if they are not.
RUN_AGAIN = "tasks without a result run again, and jobs fail that have ended or lack inputs"
FAIL_LATER = (
    "tasks that need one of them fail, and so does fetching such a result. If you have the file "
    "elsewhere, stop this coordinator and put it back; else submit these jobs again"
)

#: What replaces damaged parameters: no parameters, as clients encode them.
NO_PARAMETERS = b"\x80"


def load_jobs(
    connection: sqlite3.Connection,
) -> tuple[list[tuple[Job, list[Attempted]]], list[InputsDropped]]:
    """Return every job in the order of submission, with the attempts of its tasks.

    Also return the inputs of done tasks, which are to be removed. Raises sqlite3.Error, ValueError,
    LookupError and HeadraceError for a damaged store.
    """
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    rows = cursor.execute("SELECT * FROM jobs ORDER BY rowid").fetchall()
    superfluous: list[InputsDropped] = []
    jobs = [
        (_load_job(connection, row, superfluous), _load_attempts(connection, row["id"]))
        for row in rows
    ]
    return jobs, superfluous


def was_started_again(connection: sqlite3.Connection) -> bool:
    """Return whether the machine was booted since the store was last opened."""
    (known,) = connection.execute("SELECT boot FROM clock").fetchone()
    return bool(known != _read_boot())


def load_payloads(connection: sqlite3.Connection, payloads: PayloadFile) -> list[Payload]:
    """Return every payload that a row names, and log which of them are missing in the file.

    After each boot of the machine their contents are checked once, and rows whose payload does not
    match its checksum are deleted. Otherwise the rows of missing payloads are kept, because the
    file may exist elsewhere and be put back. Payloads without a checksum were reported when the
    store was migrated. Raises sqlite3.Error and OSError.
    """
    found: dict[Row, Payload] = {}
    damaged: list[Row] = []
    missing, unlike = Losses(), Losses()
    check = was_started_again(connection)
    end = payloads.measure_bytes()
    for table in ("inputs", "results"):
        query = f"""
            SELECT job, start, stop, place, size_bytes, checksum FROM {table}
            WHERE place IS NOT NULL
        """  # noqa: S608 - our own names
        for job, start, stop, place, size, checksum in connection.execute(query):
            found[table, job, start] = payload = Payload(place, size)
            if place + size > end and (check or checksum is not None):
                missing.add(job, size)
            if check:
                content = payloads.read(payload)
                if checksum != compute_checksum(table, job, start, stop, content):
                    damaged.append((table, job, start))
                    if place + size <= end:
                        unlike.add(job, size)
    if check:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            for row in damaged:
                del found[row]
                table, *about = row
                connection.execute(f"DELETE FROM {table} WHERE job = ? AND start = ?", about)  # noqa: S608 - ours
            connection.execute("UPDATE clock SET boot = ?", (_read_boot(),))
    missing.tell(payloads.path, payloads.describe_end(), RUN_AGAIN if check else FAIL_LATER)
    unlike.tell(payloads.path, "did not survive a power cut whole", RUN_AGAIN)
    return list(found.values())


def _read_boot() -> str:
    """Return what is different after each boot of the machine."""
    if BOOT_FILE is not None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return BOOT_FILE.read_text().strip()
    import psutil  # noqa: PLC0415 - not needed on Linux

    return str(int(psutil.boot_time()))


def _load_job(
    connection: sqlite3.Connection, row: sqlite3.Row, superfluous: list[InputsDropped]
) -> Job:
    job_id, spec = row["id"], row["spec"]
    whole = row["checksum"] == compute_spec_checksum(job_id, spec)
    columns: dict[str, Any] = {name: row[name] for name in JOB_COLUMNS}
    columns |= {name: bool(row[name]) for name in ("sealed", "results_kept")}
    job = Job(
        spec=_read_spec(job_id, spec, row["tasks"], whole=whole),
        submitted_at=row["submitted_at"],
        submitted_by=row["submitted_by"],
        counters=unpack(row["counters"]) if row["counters"] else {},
        times=TimeCounts(unpack(row["times"]) if row["times"] else []),
        **columns,
    )
    job.log.dropped = row["lines_dropped"]
    for start, stop in unpack(row["dropped"]) if row["dropped"] else ():
        job.dropped.add(start, stop)
        job.done.add(start, stop)
    execute = connection.execute
    results = """
        SELECT start, stop, size_bytes FROM results WHERE job = ?
        AND number > coalesce((SELECT last FROM doomed WHERE job = ?), 0)
    """
    for start, stop, size in execute(results, (job_id, job_id)):
        job.done.add(start, stop)
        job.result_bytes += size
        if job.spec.owned:
            job.undelivered[start] = (stop, size)
    for (index,) in execute("SELECT task FROM failures WHERE job = ?", (job_id,)):
        job.dead.add(index, index + 1)
    lines = "SELECT worker, report, count, size_bytes FROM lines WHERE job = ? ORDER BY number"
    for worker, report, number, size in execute(lines, (job_id,)):
        job.log.add(LogPart(worker, report), number, size)
    job.spool_bytes = job.result_bytes
    if job.bytes_out and job.done:
        job.mean_bytes = job.bytes_out / job.done.count
    chunks = "SELECT start, stop, size_bytes FROM inputs WHERE job = ? ORDER BY start"
    for start, stop, size in execute(chunks, (job_id,)):
        if job.done.covers(start, stop):
            superfluous.append(InputsDropped(job_id, start, size))
        else:
            job.chunks.append(start, stop, size)
            job.spool_bytes += size
    _note_losses(job, connection)
    if not whole:
        job.broken = PARAMETERS_DAMAGED
        _fail(job, connection, PARAMETERS_DAMAGED)
    return job


def _read_spec(job_id: str, spec: bytes, tasks: int, *, whole: bool) -> JobSpec:
    """Return a job's specification, or as much of it as can be read if it is damaged."""
    try:
        found = decode_trusted(JobSpec, spec)
    except (ValueError, TypeError, LookupError, HeadraceError):
        log.warning("what was asked for with job %s cannot be read", job_id, extra=about(job_id))
        found = JobSpec(job_id, "unknown", "unknown", NO_PARAMETERS, tasks)
    return found if whole else replace(found, id=job_id, parameters=NO_PARAMETERS)


def _note_losses(job: Job, connection: sqlite3.Connection) -> None:
    """End a job that cannot continue after a power cut, or that cannot have succeeded."""
    unfinished = job.tasks - job.done.count - job.dead.count
    if job.is_final and job.state != CANCELLED and unfinished and not job.ended_because:
        job.state = FAILED
        job.ended_because = RESULTS_LOST
    if not job.spec.carried:
        return
    kept = RangeSet(zip(job.chunks.starts, job.chunks.stops, strict=True))
    kept_or_done = RangeSet([*kept, *job.done])
    job.inputless = RangeSet(kept_or_done.missing(0, job.tasks))
    if any(not job.dead.covers(start, stop) for start, stop in job.inputless):
        job.sealed = False
        _fail(job, connection, INPUTS_LOST)


def _fail(job: Job, connection: sqlite3.Connection, because: str) -> None:
    """End a job that cannot continue, unless it has ended already."""
    if not job.is_final:
        (clock,) = connection.execute("SELECT seconds FROM clock").fetchone()
        job.end(FAILED, clock, time.time(), because)


def _load_attempts(connection: sqlite3.Connection, job_id: str) -> list[Attempted]:
    query = "SELECT start, stop, attempts, lost FROM attempts WHERE job = ? ORDER BY number"
    return [
        (start, stop, attempts, bool(lost))
        for start, stop, attempts, lost in connection.execute(query, (job_id,))
    ]
