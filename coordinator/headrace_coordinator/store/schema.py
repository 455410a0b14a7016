"""The tables of the store; ``headrace_coordinator.store.store`` describes their contents."""

from __future__ import annotations

#: Increased by one with every change to the tables.
SCHEMA_VERSION = 8

#: Identifies a row of inputs or results: its table, its job, and the first of its tasks.
Row = tuple[str, str, int]

#: Created in a store of any version: which version of headrace gave it its schema, so that a
#: version that does not know the schema can report it.
MADE_BY_SCHEMA = "CREATE TABLE IF NOT EXISTS made_by (version TEXT NOT NULL) STRICT;"

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
    ended_because TEXT NOT NULL,
    deadline REAL,
    ended REAL,
    dropped BLOB,
    counters BLOB,
    lines_dropped INTEGER NOT NULL,
    checksum INTEGER,
    submitted_by TEXT NOT NULL,
    times BLOB,
    paused_seconds REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE inputs (
    job TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    batch BLOB,
    place INTEGER,
    checksum INTEGER,
    PRIMARY KEY (job, start)
) STRICT;
CREATE TABLE results (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    batch BLOB,
    place INTEGER,
    checksum INTEGER
) STRICT;
CREATE INDEX results_by_start ON results (job, start, stop);
CREATE INDEX results_by_number ON results (job, number);
CREATE TABLE failures (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    task INTEGER NOT NULL,
    failure BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX failures_by_task ON failures (job, task);
CREATE INDEX failures_by_number ON failures (job, number);
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY,
    job TEXT NOT NULL,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    lost INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_by_job ON attempts (job, number);
CREATE TABLE lines (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job TEXT NOT NULL,
    worker TEXT NOT NULL,
    report INTEGER NOT NULL,
    count INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    lines BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX lines_by_report ON lines (job, worker, report);
CREATE INDEX lines_by_number ON lines (job, number);
CREATE TABLE clock (seconds REAL NOT NULL, boot TEXT NOT NULL) STRICT;
INSERT INTO clock VALUES (0, '');
"""

#: Columns of a job that are attributes of ``queue.job.Job`` with the same names.
JOB_COLUMNS = (
    "state",
    "tasks",
    "sealed",
    "cpu_seconds",
    "busy_seconds",
    "bytes_in",
    "bytes_out",
    "started_at",
    "finished_at",
    "paused_seconds",
    "results_kept",
    "ended_because",
    "deadline",
    "ended",
)

UPDATE_JOB = f"""
UPDATE jobs SET {", ".join(f"{column} = ?" for column in JOB_COLUMNS)}, counters = ?,
    times = ?, lines_dropped = ? WHERE id = ?
"""  # noqa: S608 - our own names

INSERT_FAILURE = "INSERT OR REPLACE INTO failures (job, task, failure) VALUES (?, ?, ?)"
