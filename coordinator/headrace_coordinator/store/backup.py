"""Copies a store, in another process, while a coordinator works with it.

SQLite copies the database from one snapshot, whatever is committed meanwhile. Then every payload
that the copy names is copied, and its checksum compared; ``locks`` keeps payloads in place. A
folder is a backup as soon as it has no file INCOMPLETE; until then no coordinator starts in it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from headrace_coordinator.checksums import compute_checksum
from headrace_coordinator.store.disk import explain_files, is_want_of_room
from headrace_coordinator.store.files import DataFile, sync
from headrace_coordinator.store.locks import INCOMPLETE, LOCK_SUFFIX, hold_payloads
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX
from headrace_coordinator.store.reader import connect
from headrace_coordinator.store.schema import SCHEMA_VERSION
from headrace_wire.errors import OutputError, StoreError, UsageError
from headrace_wire.open_files import explain_system_error
from headrace_wire.permissions import WRITE, explain_error

#: The store's name in a data folder.
STORE_NAME = "headrace.db"

#: How many pages are copied between two reports of progress.
PAGES = 1024

#: How much higher the numbers of new rows begin in the copy. Clients name the last number that they
#: have seen, and some of them have seen higher ones than the copy contains.
NUMBERS_AHEAD = 1 << 40


class Backup(Struct, frozen=True):
    """What was copied. ``damaged`` payloads are damaged in the store itself."""

    jobs: int
    payloads: int
    size_bytes: int
    damaged: int


def back_up(data: Path, folder: Path, on_progress: Callable[[int, int], None]) -> Backup:
    """Copy the store of a data folder into a folder that is empty or does not exist.

    ``on_progress(bytes, of)`` is called during the copy. Raises UsageError, StoreError and
    OutputError; then nothing is left behind.
    """
    source = data / STORE_NAME
    if not source.is_file():
        raise UsageError(f"{data} is no data folder of a coordinator: there is no {STORE_NAME}")
    existed = os.path.exists(folder)  # noqa: PTH110 - if this is not known, mkdir reports it
    is_ours = not existed
    try:
        _make_empty(folder)
        is_ours = True
        return _fill(source, folder, on_progress)
    except UsageError:
        raise
    except BaseException as error:
        if is_ours:
            _clear(folder, keep_folder=existed)
        if isinstance(error, sqlite3.Error | OSError) and is_want_of_room(error):
            why = error.strerror if isinstance(error, OSError) else error
            raise OutputError(
                f"the backup cannot be written, as its disk is full ({why}): make room on the disk "
                f"of {folder}"
            ) from None
        if isinstance(error, OSError):
            where = error.filename or folder
            why = explain_system_error(error)
            raise OutputError(f"the backup cannot be written: {where}: {why}") from None
        if isinstance(error, sqlite3.Error):
            why = explain_files(error) or str(error)
            raise StoreError(f"the store {source} cannot be copied to {folder}: {why}") from None
        raise


def _make_empty(folder: Path) -> None:
    """Make a folder for a backup. Raises UsageError if it is not empty or cannot be made."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sorted(os.listdir(folder))  # noqa: PTH208 - only the names
    except OSError as error:
        raise UsageError(
            f"{folder} cannot hold a backup: {explain_error(error, folder, WRITE)}"
        ) from None
    if INCOMPLETE in found:
        raise UsageError(f"{folder} holds a backup that was not finished: remove it first")
    if found:
        raise UsageError(f"{folder} is not empty: name a folder that is, or that is not there yet")


def _fill(source: Path, folder: Path, on_progress: Callable[[int, int], None]) -> Backup:
    marker, target = folder / INCOMPLETE, folder / STORE_NAME
    marker.touch(mode=0o600)
    sync(folder)
    target.touch(mode=0o600)
    with (
        hold_payloads(source.with_name(source.name + LOCK_SUFFIX)),
        closing(connect(source, create=False)) as reader,
        closing(connect(target)) as copy,
    ):
        reader.execute("BEGIN")
        (version,) = reader.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"the store {source} has schema {version}, and this headrace backs up schema "
                f"{SCHEMA_VERSION}: start its coordinator with this version first"
            )
        query = "SELECT coalesce(sum(size_bytes), 0) FROM {} WHERE place IS NOT NULL"
        payload_bytes = sum(
            reader.execute(query.format(table)).fetchone()[0] for table in ("inputs", "results")
        )
        (page_bytes,) = reader.execute("PRAGMA page_size").fetchone()
        (pages,) = reader.execute("PRAGMA page_count").fetchone()
        whole = payload_bytes + pages * page_bytes

        def tell(_: int, left: int, of: int) -> None:
            on_progress((of - left) * page_bytes, whole)

        reader.backup(copy, pages=PAGES, progress=tell)
        reader.execute("ROLLBACK")  # the coordinator's log may be checkpointed again
        done = pages * page_bytes
        found = _copy_payloads(
            copy,
            source.with_name(source.name + PAYLOAD_SUFFIX),
            target.with_name(target.name + PAYLOAD_SUFFIX),
            lambda size: on_progress(done + size, whole),
        )
        copy.execute("UPDATE sqlite_sequence SET seq = seq + ?", (NUMBERS_AHEAD,))
        (jobs,) = copy.execute("SELECT count(*) FROM jobs").fetchone()
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sync(target)
    sync(folder)
    marker.unlink()
    sync(folder)
    payloads, damaged = found
    return Backup(jobs, payloads, whole, damaged)


def _copy_payloads(
    copy: sqlite3.Connection, source: Path, target: Path, on_progress: Callable[[int], None]
) -> tuple[int, int]:
    """Copy the payloads that the copy names, to the same places.

    Returns how many there were, and how many of them were damaged.
    """
    count = damaged = done = 0
    with closing(DataFile(source)) as original, closing(DataFile(target)) as written:
        for table in ("inputs", "results"):
            query = f"""
                SELECT job, start, stop, place, size_bytes, checksum FROM {table}
                WHERE place IS NOT NULL ORDER BY place
            """  # noqa: S608 - our own names
            for job, start, stop, place, size, checksum in copy.execute(query):
                content = b""
                with contextlib.suppress(OSError):  # what cannot be read counts as damaged
                    content = original.read(place, size)
                damaged += checksum != compute_checksum(table, job, start, stop, content)
                written.write(place, content)
                count += 1
                done += size
                on_progress(done)
        written.sync()
    return count, damaged


def _clear(folder: Path, *, keep_folder: bool) -> None:
    """Remove what was written, and last the mark of the unfinished backup."""
    with contextlib.suppress(OSError):  # it stays marked
        for suffix in ("-wal", "-shm", PAYLOAD_SUFFIX, ""):
            (folder / f"{STORE_NAME}{suffix}").unlink(missing_ok=True)
        (folder / INCOMPLETE).unlink(missing_ok=True)
        if not keep_folder:
            folder.rmdir()
