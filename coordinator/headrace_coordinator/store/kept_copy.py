"""The copy of a store that is kept when it is migrated to another schema.

    copy to …-schema-5-unfinished ─► migrate, in one transaction ─► …-schema-5-20261128T225500Z

The copy is a folder beside the store: a data folder for the previous version, without the key. If
the process dies on the way, the store is complete, either unchanged or migrated. The next start
then removes the copy and makes it again, or renames it.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from headrace_coordinator.store.disk import LEAST_FLOOR_BYTES, is_want_of_room
from headrace_coordinator.store.files import DataFile, clone, sync
from headrace_coordinator.store.payload_file import PAYLOAD_SUFFIX, UNIT_BYTES
from headrace_coordinator.store.reader import connect
from headrace_wire.errors import StoreError
from headrace_wire.words import format_bytes

log = logging.getLogger(__name__)

#: The end of the name of a copy whose store has not been migrated yet.
UNFINISHED = "unfinished"

#: How many bytes of a payload are copied at a time.
PIECE_BYTES = 1 << 20


def keep_copy(store: Path, connection: sqlite3.Connection, version: int) -> None:
    """Copy a store of that version. Raises StoreError if that is not possible, and sqlite3.Error
    and OSError if there is no space; then nothing is left of the copy.
    """
    folder = store.with_name(f"{store.name}-schema-{version}-{UNFINISHED}")
    source = store.with_name(store.name + PAYLOAD_SUFFIX)
    target = folder / source.name
    log.info("a copy of the store is made, as it is to be migrated")
    try:
        _remove(folder)
        folder.mkdir(mode=0o700)
        is_cloned = clone(source, target)
        _check_room(store, connection, 0 if is_cloned else _measure_payloads(connection))
        (folder / store.name).touch(mode=0o600)
        with closing(connect(folder / store.name)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if not is_cloned:
            _copy_payloads(connection, source, target)
        for path in (folder / store.name, target, folder, folder.parent):
            sync(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            _remove(folder)
        if isinstance(error, sqlite3.Error | OSError) and not is_want_of_room(error):
            raise StoreError(
                f"the store {store} cannot be migrated, as no copy of it can be made beside it "
                f"({error}): see that this user may read the store and write in {store.parent}, "
                "and start again. The store is as it was"
            ) from None
        raise


def drop_copy(store: Path) -> None:
    """Remove the copy of a store that could not be migrated, and is therefore the same as the
    copy.
    """
    for folder in store.parent.glob(f"{store.name}-schema-*-{UNFINISHED}"):
        with contextlib.suppress(OSError):  # the next start removes it
            _remove(folder)


def finish_copy(store: Path) -> None:
    """Rename the copy after the store is migrated, and log where it is.

    Raises OSError.
    """
    for folder in store.parent.glob(f"{store.name}-schema-*-{UNFINISHED}"):
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = folder.name.removesuffix(UNFINISHED) + moment
        kept = folder.with_name(name)
        number = 2
        while kept.exists():  # the copy was restored, and migrated again within a second
            kept = folder.with_name(f"{name}-{number}")
            number += 1
        folder.rename(kept)
        sync(kept.parent)
        size = sum(_measure(path) for path in kept.iterdir())
        log.warning(
            "the store as it was before it was migrated is kept in %s (%s): delete that folder "
            "when you will not go back to the version before", kept, format_bytes(size)
        )  # fmt: skip


def _measure(file: Path) -> int:
    """Return a file's size on the disk; the length of its content if the system does not say."""
    found = file.stat()
    blocks: int | None = getattr(found, "st_blocks", None)
    return found.st_size if blocks is None else blocks * 512


def _check_room(store: Path, connection: sqlite3.Connection, payload_bytes: int) -> None:
    """Raise StoreError if there is no space for a copy, and for the log of the migration."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    wanted = 2 * pages * page_bytes + payload_bytes + LEAST_FLOOR_BYTES
    free = shutil.disk_usage(store.parent).free
    if free < wanted:
        raise StoreError(
            f"the store {store} cannot be migrated, as its disk has no room for a copy of it: "
            f"{format_bytes(wanted)} are needed and {format_bytes(free)} are free; make room on "
            f"the disk of {store.parent}, and start again. The store is as it was"
        )


def _list_payloads(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    query = "SELECT place, size_bytes FROM {} WHERE place IS NOT NULL ORDER BY place"
    return [
        (place, size)
        for table in ("inputs", "results")
        for place, size in connection.execute(query.format(table))
    ]


def _measure_payloads(connection: sqlite3.Connection) -> int:
    """Return the size on the disk of all payloads that the store names."""
    return sum(-(-size // UNIT_BYTES) * UNIT_BYTES for _, size in _list_payloads(connection))


def _copy_payloads(connection: sqlite3.Connection, source: Path, target: Path) -> None:
    """Copy the payloads that the store names to the same places."""
    with closing(DataFile(source)) as original, closing(DataFile(target)) as copy:
        for place, size in _list_payloads(connection):
            for start in range(place, place + size, PIECE_BYTES):
                copy.write(start, original.read(start, min(PIECE_BYTES, place + size - start)))


def _remove(folder: Path) -> None:
    """Remove the rest of a copy that nobody needs."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
