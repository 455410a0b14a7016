"""Reading the whole store back into jobs, when a coordinator starts or starts over."""

from __future__ import annotations

import sqlite3
from typing import Any

from headrace_coordinator.job import Job
from headrace_coordinator.job_log import LogPart
from headrace_coordinator.queue import Attempted
from headrace_coordinator.schema import SELECT_JOBS
from headrace_wire.encoding import unpack
from headrace_wire.messages import JobSpec


def load_jobs(connection: sqlite3.Connection) -> list[tuple[Job, list[Attempted]]]:
    """Every job in the order of submission, and how often which of its tasks were tried.

    Raises sqlite3.Error, ValueError and HeadraceError for a store that makes no sense.
    """
    rows = connection.execute(SELECT_JOBS).fetchall()
    return [(_load_job(connection, row), _load_attempts(connection, row[0])) for row in rows]


def _load_job(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Job:
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
        job.chunks.append(start, stop, size)
        job.spool_bytes += size
    return job


def _load_attempts(connection: sqlite3.Connection, job_id: str) -> list[Attempted]:
    query = "SELECT start, stop, attempts, lost FROM attempts WHERE job = ? ORDER BY number"
    return [
        (start, stop, attempts, bool(lost))
        for start, stop, attempts, lost in connection.execute(query, (job_id,))
    ]
