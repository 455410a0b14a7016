"""Whether the store has space on its disk, and how it returns some."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from headrace_coordinator.store.disk import Disk
from headrace_coordinator.store.need import INTAKE, Need
from headrace_coordinator.store.payload_file import SPARE_BYTES, PayloadFile
from headrace_coordinator.store.reader import BUSY_SECONDS, LOG_BYTES

#: A database is rewritten without its free bytes if it has at least FREE_BYTES of them, and at most
#: LIVE_BYTES in use; writing these takes a fraction of a second.
FREE_BYTES = 256 << 20
LIVE_BYTES = 64 << 20

#: If fewer floors are free, the disk is nearly full.
NEARLY_FULL_FLOORS = 4

#: The maximum number of floors that the payload file keeps for later.
SPARE_FLOORS = 8


class Space:
    """The space of a database and its payload file. Methods raise sqlite3.Error and OSError."""

    def __init__(
        self,
        path: Path,
        disk: Disk,
        connection: sqlite3.Connection,
        payloads: PayloadFile,
        scratch: str,
    ) -> None:
        self._path = path
        #: What helps if the disk is full.
        self._advice = f"make room on the disk of {path.parent}, or delete jobs"
        if scratch:
            self._advice = (
                f"set TMPDIR to a folder on a larger disk than that of {scratch}, and start the "
                "program again"
            )
        self._disk = disk
        self._execute = connection.execute
        self._payloads = payloads

    def find_shortage(self, need: Need) -> str:
        """Return a message if the disk has too little space for a need, "" if it has enough."""
        free = self._disk.measure_free()
        wanted = need.size_bytes + need.floors * self._disk.floor_bytes
        if free >= wanted + LOG_BYTES or free >= wanted + self._measure_unfolded():
            return ""
        return (
            f"the coordinator's store cannot be written (its disk is full: {free} bytes are free, "
            f"{wanted} are needed): {self._advice}; nothing acknowledged is lost"
        )

    def measure_room(self) -> int:
        """Return how many bytes may be written to the disk, apart from what is left free."""
        taken = INTAKE.floors * self._disk.floor_bytes + self._measure_unfolded()
        return max(0, self._disk.measure_free() - taken)

    def measure_free(self) -> int:
        """Return the free space of the disk in bytes."""
        return self._disk.measure_free()

    def measure_disk(self) -> int:
        """Return the size of the disk in bytes."""
        return self._disk.measure_total()

    def measure_bytes(self) -> int:
        """Return the size of the database, of its write-ahead log, and of the payload file in
        bytes.
        """
        parts = (self._path, self._path.with_name(self._path.name + "-wal"))
        size = sum(part.stat().st_size for part in parts if part.exists())
        return size + self._payloads.measure_bytes()

    def compact(self) -> None:
        """Return the space of deleted jobs to the disk, as far as that is quick.

        If the disk is nearly full, all of it is returned; otherwise only when little is left in the
        file.
        """
        floor_bytes = self._disk.floor_bytes
        nearly_full = self._disk.measure_free() < NEARLY_FULL_FLOORS * floor_bytes
        page_bytes = self._read_pragma("page_size")
        free_bytes = self._read_pragma("freelist_count") * page_bytes
        live_bytes = self._read_pragma("page_count") * page_bytes - free_bytes
        spare_bytes = min(SPARE_BYTES, SPARE_FLOORS * floor_bytes)
        # What is kept for later must not be missing for what has to be written now.
        is_wanted = self._disk.measure_free() < spare_bytes + NEARLY_FULL_FLOORS * floor_bytes
        self._payloads.trim(0 if is_wanted else spare_bytes)
        least, most = FREE_BYTES, LIVE_BYTES
        if nearly_full:
            self._cut_log()
            least, most = floor_bytes, min(LIVE_BYTES, self._disk.measure_free() - floor_bytes)
        if free_bytes >= least and live_bytes <= most:
            self._execute("VACUUM")
            self._cut_log()

    def _cut_log(self) -> None:
        """Checkpoint the log and truncate it, unless somebody reads from it."""
        self._execute("PRAGMA busy_timeout = 0")
        try:
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def _measure_unfolded(self) -> int:
        """Return by how many bytes the database grows when the log is checkpointed."""
        try:
            folded_bytes = self._path.stat().st_size
        except OSError:  # it was removed: see ``Store.mend``
            return 0
        return max(
            0, self._read_pragma("page_size") * self._read_pragma("page_count") - folded_bytes
        )

    def _read_pragma(self, name: str) -> int:
        (value,) = self._execute(f"PRAGMA {name}").fetchone()
        return int(value)
