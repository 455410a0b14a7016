"""Put on PYTHONPATH of a process under test: its wall clock jumps when it is told to.

``CHAOS_CLOCK`` names a file of eight bytes, a double in the machine's order: the seconds by which
``time.time`` is ahead. ``CHAOS_UNSEALED_SECONDS`` shortens a coordinator's patience with a client
that stopped in mid-upload: two minutes are too long for a test that has little more.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path


def shift_clock(path: Path) -> None:
    """Let ``time.time`` and ``time.time_ns`` follow the file."""
    with path.open("rb") as file:
        view = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    real_seconds, real_nanoseconds = time.time, time.time_ns

    def read_offset_seconds() -> float:
        (offset_seconds,) = struct.unpack_from("d", view)
        return float(offset_seconds)

    time.time = lambda: real_seconds() + read_offset_seconds()
    time.time_ns = lambda: real_nanoseconds() + int(read_offset_seconds() * 1e9)


if clock := os.environ.get("CHAOS_CLOCK"):
    shift_clock(Path(clock))
if unsealed := os.environ.get("CHAOS_UNSEALED_SECONDS"):
    from headrace_coordinator.queue import client_requests

    client_requests.ABANDONED_SECONDS = float(unsealed)
