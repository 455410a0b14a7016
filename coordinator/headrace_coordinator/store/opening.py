"""Prepares a database before it is used as a store: see ``Store``."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from headrace_coordinator.store.history import HISTORY_SCHEMA
from headrace_coordinator.store.kept_copy import drop_copy, finish_copy, keep_copy
from headrace_coordinator.store.migrations import MIGRATED_VERSIONS, migrate, read_maker
from headrace_coordinator.store.payload_file import PayloadFile
from headrace_coordinator.store.refusals import explain_damage, explain_version
from headrace_coordinator.store.schema import MADE_BY_SCHEMA, SCHEMA, SCHEMA_VERSION
from headrace_coordinator.store.shared_tables import SHARED_SCHEMA
from headrace_coordinator.store.sweep import DOOMED_SCHEMA
from headrace_wire.errors import StoreError
from headrace_wire.version import VERSION


def read_version(store: Path, connection: sqlite3.Connection) -> int:
    """Return the version of a database's schema, 0 if it has no tables of a store yet.

    Raises StoreError for an unknown version, and sqlite3.Error.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, *MIGRATED_VERSIONS, SCHEMA_VERSION):
        raise StoreError(explain_version(store, version, read_maker(connection)))
    return int(version)


def prepare(
    store: Path, connection: sqlite3.Connection, payloads: PayloadFile, version: int
) -> None:
    """Create the tables of a new database, check an existing one, and migrate one of an earlier
    version, of which a copy is kept.

    Raises StoreError for a damaged one, and sqlite3.Error and OSError.
    """
    if version == 0:
        tables = f"{SCHEMA} {SHARED_SCHEMA} {' '.join(f'{one};' for one in HISTORY_SCHEMA)}"
        maker = f"{MADE_BY_SCHEMA} INSERT INTO made_by VALUES ('{VERSION}');"  # noqa: S608 - our own
        connection.executescript(
            f"BEGIN IMMEDIATE; {tables} {maker} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        # After this, a power cut leaves a valid store, which may lack the last changes; an empty
        # file beside a payload file would be refused.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    (finding,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise StoreError(explain_damage(store, finding))
    if version in MIGRATED_VERSIONS:
        keep_copy(store, connection, version)
        try:
            migrate(connection, payloads, version)
        except (sqlite3.Error, OSError):
            drop_copy(store)
            raise
    finish_copy(store)
    connection.executescript(DOOMED_SCHEMA)
