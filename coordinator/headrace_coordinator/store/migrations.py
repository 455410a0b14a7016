"""Migrates the tables of a store that an earlier version has written, when it is opened.

Version 5 kept CRC-32s of large contents only, and none of the newest ones. Since version 6, every
row of inputs and results, and the specification of each job, has the checksum of ``checksums``.
Since version 7, each job has the name of the key with which it was submitted, and each shared
object that of the key with which it was opened. Since version 8, each job has the times of its
tasks and how long it had ended before it was run again, and there is a history.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib

from headrace_coordinator.checksums import compute_checksum, compute_spec_checksum
from headrace_coordinator.store.history import HISTORY_SCHEMA
from headrace_coordinator.store.loading import was_started_again
from headrace_coordinator.store.losses import Losses
from headrace_coordinator.store.payload_file import Payload, PayloadFile
from headrace_coordinator.store.schema import MADE_BY_SCHEMA, SCHEMA_VERSION
from headrace_wire.version import VERSION

log = logging.getLogger(__name__)

#: The versions of the schema that can be migrated.
MIGRATED_VERSIONS = (5, 6, 7)

#: The consequence of payloads that are lost before they have a checksum of this version.
FAIL_MIGRATED = (
    "tasks that need one of them fail, and so does fetching such a result. If you have the file "
    "elsewhere, stop this coordinator, and put it back together with the database of the copy that "
    "is kept; else submit these jobs again"
)


def migrate(connection: sqlite3.Connection, payloads: PayloadFile, version: int) -> None:
    """Migrate a store of that version in one transaction.

    Raises sqlite3.Error and OSError; then nothing has changed.
    """
    log.info("the store is migrated from schema %d to %d", version, SCHEMA_VERSION)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if version == 5:
            _check_everything(connection, payloads)
        if version < 7:
            connection.execute("ALTER TABLE jobs ADD COLUMN submitted_by TEXT NOT NULL DEFAULT ''")
            connection.execute("ALTER TABLE shared ADD COLUMN owner TEXT NOT NULL DEFAULT ''")
        connection.execute("ALTER TABLE jobs ADD COLUMN times BLOB")
        paused = "paused_seconds REAL NOT NULL DEFAULT 0"
        connection.execute(f"ALTER TABLE jobs ADD COLUMN {paused}")
        for statement in HISTORY_SCHEMA:
            connection.execute(statement)
        note_maker(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def note_maker(connection: sqlite3.Connection) -> None:
    """Record which version of headrace has given the store its schema."""
    connection.execute(MADE_BY_SCHEMA)
    connection.execute("DELETE FROM made_by")
    connection.execute("INSERT INTO made_by VALUES (?)", (VERSION,))


def read_maker(connection: sqlite3.Connection) -> str:
    """Return which version of headrace has given a store its schema, "" if not known."""
    try:
        row = connection.execute("SELECT version FROM made_by").fetchone()
    except sqlite3.OperationalError:  # versions before 0.2 did not record it
        return ""
    return str(row[0])[:40] if row else ""


def _check_everything(connection: sqlite3.Connection, payloads: PayloadFile) -> None:
    connection.execute("ALTER TABLE jobs ADD COLUMN checksum INTEGER")
    for job, spec in connection.execute("SELECT id, spec FROM jobs").fetchall():
        checksum = compute_spec_checksum(job, spec)
        connection.execute("UPDATE jobs SET checksum = ? WHERE id = ?", (checksum, job))
    damaged = Losses()
    for table in ("inputs", "results"):
        _add_checksums(connection, payloads, table, damaged)
    is_empty = not payloads.measure_bytes()
    how = payloads.describe_end() if is_empty else "is damaged or was cut"
    damaged.tell(payloads.path, how, FAIL_MIGRATED)


def _add_checksums(
    connection: sqlite3.Connection, payloads: PayloadFile, table: str, damaged: Losses
) -> None:
    numbers = connection.execute(f"SELECT rowid FROM {table}").fetchall()  # noqa: S608 - our own names
    cut = was_started_again(connection)
    query = (
        f"SELECT job, start, stop, size_bytes, batch, place, checksum FROM {table} WHERE rowid = ?"  # noqa: S608 - ours
    )
    for number in numbers:
        job, start, stop, size, batch, place, known = connection.execute(query, number).fetchone()
        content = batch if place is None else _read(payloads, Payload(place, size))
        checksum: int | None = None  # damaged, or lost in a power cut
        is_known = known == zlib.crc32(content) if known is not None else place is None or not cut
        if is_known and len(content) == size:
            checksum = compute_checksum(table, job, start, stop, content)
        elif not cut and place is not None:  # otherwise it is reported when the store is loaded
            damaged.add(job, size)
        connection.execute(
            f"UPDATE {table} SET checksum = ? WHERE rowid = ?",  # noqa: S608 - our own names
            (checksum, *number),
        )


def _read(payloads: PayloadFile, payload: Payload) -> bytes:
    try:
        return payloads.read(payload)
    except OSError:  # it counts as damaged
        return b""
