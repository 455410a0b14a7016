"""What is done to a database before it is used as a store: see ``Store``."""

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
    """Return the version of a database's schema, 0 for one that has no tables of a store yet.

    Raises StoreError for a version that is not known here, and sqlite3.Error.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, *MIGRATED_VERSIONS, SCHEMA_VERSION):
        raise StoreError(explain_version(store, version, read_maker(connection)))
    return int(version)


def prepare(
    store: Path, connection: sqlite3.Connection, payloads: PayloadFile, version: int
) -> None:
    """Give a new database its tables, check one that was there, and migrate one of an earlier
    version, of which a copy is kept.

    Raises StoreError for a damaged one, and sqlite3.Error and OSError.
    """
    if version == 0:
        tables = f"{SCHEMA} {SHARED_SCHEMA} {' '.join(f'{one};' for one in HISTORY_SCHEMA)}"
        maker = f"{MADE_BY_SCHEMA} INSERT INTO made_by VALUES ('{VERSION}');"  # noqa: S608 - our own
        connection.executescript(
            f"BEGIN IMMEDIATE; {tables} {maker} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        # What a power cut leaves is a store then, be it one that lacks what came last: an empty
        # file beside a payload file is refused.
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
