"""Locks of a data folder. The system releases the lock of a process that ends, for whatever reason.

Only one coordinator may use a folder at a time. A backup, which is a separate process, keeps
payloads where they are while it copies them:

    backup: shared lock ─► snapshot of the database ─► payloads that it names ─► unlock
    coordinator: freed places are used again only while nobody holds the lock

A payload that a snapshot names was not yet freed when the lock was taken, so it stays.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from headrace_wire.errors import StoreError, UsageError
from headrace_wire.permissions import WRITE, explain_error, refuse_full_disk
from headrace_wire.system.file_lock import hold, open_lock

#: The name of the coordinator's lock in the data folder.
LOCK_NAME = "lock"

#: The suffix that is added to the database's name for the lock of backups.
LOCK_SUFFIX = "-backup"

#: The file that marks a backup as unfinished.
INCOMPLETE = "incomplete-backup"


@contextlib.contextmanager
def lock_data(data: Path) -> Generator[None]:
    """Make the data folder if necessary, and lock it against other coordinators.

    Raises UsageError, and StoreError if another coordinator uses it or the disk is full.
    """
    if (data / INCOMPLETE).exists():
        raise UsageError(f"{data} holds a backup that was not finished: use another one")
    with contextlib.ExitStack() as stack:
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = stack.enter_context(contextlib.closing(open_lock(data / LOCK_NAME)))
            is_ours = lock.acquire()
        except OSError as error:
            # Everybody may have access to the folder, and its files may be somebody else's.
            what = f"cannot use data folder {data}"
            refuse_full_disk(error, what, data)
            place = error.filename or data
            reason = explain_error(error, place, WRITE)
            if isinstance(error, FileExistsError | NotADirectoryError):
                reason = f"{_find_file(data)} is not a folder"
            raise UsageError(f"{what}: {reason}; or name another with --data") from None
        if not is_ours:
            raise StoreError(
                f"another coordinator uses data folder {data}: stop that one, or name another "
                "folder with --data"
            )
        yield


def _find_file(data: Path) -> Path:
    """Return the file that is in the place of the folder, or of one above it."""
    return next((place for place in (data, *data.parents) if place.exists()), data)


@contextlib.contextmanager
def hold_payloads(path: Path) -> Generator[None]:
    """Hold the lock for a backup. Several backups may hold it. Raises OSError."""
    with hold(path, shared=True):  # the coordinator has it for a moment at a time
        yield
