"""Data folders that version 0.1 has written: see tests/data/store_0_1."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING

from support.places import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

#: Where they are kept.
MADE = REPOSITORY / "tests" / "data" / "store_0_1"

#: The schema of version 0.1.
FIRST_SCHEMA = 5


def unpack(folder: Path, name: str) -> Path:
    """Make a data folder of version 0.1."""
    with tarfile.open(MADE / f"{name}.tar.xz") as made:
        # Python has filters since 3.11.4, and wants one since 3.12.
        made.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        made.extractall(folder)
    folder.chmod(0o700)
    return folder


def read_schema(store: Path) -> int:
    with closing(sqlite3.connect(store)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def find_copies(data: Path) -> list[Path]:
    return sorted(data.glob("headrace.db-schema-*"))
