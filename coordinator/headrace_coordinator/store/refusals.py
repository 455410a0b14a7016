"""Which files are not opened as a store, and the messages about those and about failed writes."""

from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

from headrace_coordinator.store.disk import explain_files, is_want_of_room
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX
from headrace_coordinator.store.reader import DAMAGE
from headrace_coordinator.store.schema import SCHEMA_VERSION
from headrace_wire.errors import StoreError
from headrace_wire.version import VERSION
from headrace_wire.words import format_bytes

log = logging.getLogger(__name__)

#: SQLite's primary codes for a file that may not be read or written: PERM, READONLY, CANTOPEN; and
#: the system's error numbers.
DENIALS = (3, 8, 14)
DENIED_NUMBERS = (errno.EACCES, errno.EPERM, errno.EROFS)

#: What to do about a store that is not complete.
ADVICE = "put a backup of the data folder in its place, or name another --data folder"


def refuse_emptied(store: Path) -> None:
    """Raise StoreError for an empty file beside which there are files of a store.

    SQLite would treat it as a new database, and remove the log beside it. Raises OSError.
    """
    if store.exists() and not store.stat().st_size:
        _refuse_companions(store, ("-wal", PAYLOAD_SUFFIX))


def refuse_foreign(store: Path, connection: sqlite3.Connection, *, is_new: bool) -> None:
    """Raise StoreError for a database without a version, unless it is new.

    Raises sqlite3.Error and OSError.
    """
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables:
        raise StoreError(f"{store} is a database of another program: name another --data folder")
    if not is_new:
        _refuse_companions(store, (PAYLOAD_SUFFIX,))
    elif size := _measure(store, PAYLOAD_SUFFIX):
        log.warning(
            "there was no store %s, and a new one is begun; what the file %s%s held (%s) belongs "
            "to one that is gone", store, store.name, PAYLOAD_SUFFIX, format_bytes(size)
        )  # fmt: skip


def explain_opening(store: Path, error: sqlite3.Error | OSError) -> str:
    """Describe why a store cannot be opened."""
    if is_want_of_room(error):
        return (
            f"the store {store} cannot be opened, as its disk is full: make room on the disk of "
            f"{store.parent}, and start again"
        )
    if why := explain_files(error):
        return f"the store {store} cannot be opened: {why}"
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE:
        return explain_damage(store, error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    is_denied = code in DENIALS or getattr(error, "errno", 0) in DENIED_NUMBERS
    advice = f"; see that this user may read and write all files in {store.parent}"
    return f"the store {store} cannot be opened: {error}{advice if is_denied else ''}"


def explain_writing(store: Path, error: sqlite3.Error | OSError) -> str:
    """Describe why a store cannot be written."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"the coordinator's store {store} cannot be written, as another process has locked it: "
            "end that one; nothing acknowledged is lost"
        )
    if why := explain_files(error):
        return f"the coordinator's store cannot be written: {why}; nothing acknowledged is lost"
    return (
        f"the coordinator's store cannot be written ({error}): make room on the disk of "
        f"{store.parent}; nothing acknowledged is lost"
    )


def explain_damage(store: Path, finding: object) -> str:
    """Describe that something in a store is not as it was written."""
    return f"the store {store} is damaged: {finding}; {ADVICE}"


def explain_version(store: Path, version: int, maker: str) -> str:
    """Describe that the schema of a store is not known here, and which headrace made it, as far as
    that is known.
    """
    if version < SCHEMA_VERSION:
        return (
            f"the store {store} was written by a headrace before 0.1 (schema {version}): name "
            "another --data folder"
        )
    needed = f"headrace {maker} or later" if maker else "a later headrace"
    return (
        f"the store {store} needs {needed}: it has schema {version}, and this headrace ({VERSION}) "
        f"knows {SCHEMA_VERSION}; install that version, or name another --data folder. The store "
        "is as it was"
    )


def _refuse_companions(store: Path, suffixes: tuple[str, ...]) -> None:
    for suffix in suffixes:
        if size := _measure(store, suffix):
            raise StoreError(
                f"the store {store} is empty, but {store.name}{suffix} beside it has "
                f"{format_bytes(size)}: it is not the one that was here. {ADVICE.capitalize()}; to "
                "begin anew, remove both"
            )


def _measure(store: Path, suffix: str) -> int:
    """Return the size of a file beside the store."""
    try:
        return store.with_name(store.name + suffix).stat().st_size
    except FileNotFoundError:
        return 0
