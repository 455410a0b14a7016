"""The lock on a data folder: only one coordinator may use it at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from headrace_coordinator.store.backup import INCOMPLETE
from headrace_wire.errors import UsageError

#: The name of the lock in the data folder.
LOCK_NAME = "lock"


@contextlib.contextmanager
def lock_data(data: Path) -> Generator[None]:
    """Make the data folder if need be, and keep other coordinators off it. Raises UsageError."""
    if (data / INCOMPLETE).exists():
        raise UsageError(f"{data} holds a backup that was not finished: use another one")
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"cannot use data folder {data}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UsageError(f"another coordinator uses data folder {data}") from None
    try:
        yield
    finally:
        os.close(descriptor)
