"""The settings of a queue: how long things last, and how much it keeps."""

from __future__ import annotations

from msgspec import Struct

#: After how many seconds without a heartbeat a worker's leases are taken back.
DEFAULT_LEASE_SECONDS = 15.0

#: How many seconds a job is kept after its end: a week.
DEFAULT_RESULT_TTL_SECONDS = 7 * 86400.0

#: How many seconds after a job's end the summary of an expired job is kept: 30 days.
DEFAULT_HISTORY_SECONDS = 30 * 86400.0

#: The maximum size of shared state, which is in the coordinator's memory, in bytes.
DEFAULT_SHARED_LIMIT_BYTES = 256 << 20


class Rules(Struct, frozen=True):
    """The settings of a queue.

    If ``spool_limit_bytes`` is None, inputs and results are only limited by the disk. If
    ``shared_limit_bytes`` is None, shared state is only limited by the memory. ``scratch`` is where
    inputs and results are kept if the queue works for one program only, "" otherwise.
    """

    lease_seconds: float = DEFAULT_LEASE_SECONDS
    result_ttl_seconds: float = DEFAULT_RESULT_TTL_SECONDS
    spool_limit_bytes: int | None = None
    shared_limit_bytes: int | None = DEFAULT_SHARED_LIMIT_BYTES
    scratch: str = ""
