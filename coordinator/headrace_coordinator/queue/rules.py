"""What a queue is told once: how long things last, and how much it keeps."""

from __future__ import annotations

from msgspec import Struct

#: Seconds without a heartbeat after which a worker's leases come back.
DEFAULT_LEASE_SECONDS = 15.0

#: Seconds for which a job that has ended is kept: a week.
DEFAULT_RESULT_TTL_SECONDS = 7 * 86400.0

#: Seconds since its end for which the summary of a job that has expired is kept: 30 days.
DEFAULT_HISTORY_SECONDS = 30 * 86400.0

#: Bytes of shared state, all of which is in the coordinator's memory.
DEFAULT_SHARED_LIMIT_BYTES = 256 << 20


class Rules(Struct, frozen=True):
    """``spool_limit_bytes`` None: as many inputs and results as the disk holds.

    ``shared_limit_bytes`` None: as much shared state as the memory holds.
    """

    lease_seconds: float = DEFAULT_LEASE_SECONDS
    result_ttl_seconds: float = DEFAULT_RESULT_TTL_SECONDS
    spool_limit_bytes: int | None = None
    shared_limit_bytes: int | None = DEFAULT_SHARED_LIMIT_BYTES
