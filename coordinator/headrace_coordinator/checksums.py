"""Checksums of what the store keeps: of a content, and of the tasks that it belongs to.

So the content of other tasks is found to be damaged as well as one of which a bit has changed: in a
copy of the data folder, for example, during which the place of a payload was used again.
"""

from __future__ import annotations

import xxhash


class DamagedError(Exception):
    """What was kept for tasks [start, stop) of a job cannot be read, or is not what was kept.

    ``reason`` says so in words, without anything of the content. It stays in the coordinator.
    """

    def __init__(self, job: str, start: int, stop: int, reason: str, size_bytes: int = 0) -> None:
        super().__init__(reason)
        self.job = job
        self.size_bytes = size_bytes
        self.start = start
        self.stop = stop
        self.reason = reason


def compute_checksum(table: str, job: str, start: int, stop: int, content: bytes) -> int:
    """Return the checksum of a row of inputs or results, as the database's signed 64 bits."""
    owner = xxhash.xxh3_64_intdigest(f"{table} {start} {stop} {job}".encode())
    checksum = xxhash.xxh3_64_intdigest(content, owner)
    return checksum - (1 << 64) if checksum >> 63 else checksum


def compute_spec_checksum(job: str, spec: bytes) -> int:
    """Return the checksum of what was asked for with a job."""
    return compute_checksum("jobs", job, 0, 0, spec)
