"""Checksums of what the store keeps. They cover the content and the tasks that it belongs to.

So not only a changed bit is detected, but also the content of other tasks: for example in a copy of
the data folder, if the place of a payload was reused while it was copied.
"""

from __future__ import annotations

import xxhash


class DamagedError(Exception):
    """What was stored for tasks [start, stop) of a job cannot be read, or has changed.

    ``reason`` is a text that does not contain any of the content. The error stays in the
    coordinator.
    """

    def __init__(self, job: str, start: int, stop: int, reason: str, size_bytes: int = 0) -> None:
        super().__init__(reason)
        self.job = job
        self.size_bytes = size_bytes
        self.start = start
        self.stop = stop
        self.reason = reason


def compute_checksum(table: str, job: str, start: int, stop: int, content: bytes) -> int:
    """Return the checksum of a row of inputs or results, as a signed 64-bit number for the
    database.
    """
    owner = xxhash.xxh3_64_intdigest(f"{table} {start} {stop} {job}".encode())
    checksum = xxhash.xxh3_64_intdigest(content, owner)
    return checksum - (1 << 64) if checksum >> 63 else checksum


def compute_spec_checksum(job: str, spec: bytes) -> int:
    """Return the checksum of a job's specification."""
    return compute_checksum("jobs", job, 0, 0, spec)
