"""Writes refused calls to both logs, with a limited number of lines for each key.

Otherwise the holder of a key could fill the log, and displace entries of others in the audit log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from headrace_wire.roles import TASK, Holder
from headrace_wire.token_bucket import TokenBucket
from headrace_wire.words import count

#: How many lines about one key are written at once, and how many more per second.
LINES_AT_ONCE = 200
LINES_PER_SECOND = 0.2


class Denials:
    """Writes the lines. All connections of a server share one object, in its event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: By the names of keys. All tasks share one, because there is no limit to the number of
        #: jobs.
        self._buckets: dict[str, TokenBucket] = {}

    def note(self, holder: Holder, line: str, logs: Sequence[logging.Logger]) -> None:
        """Write a line about a key to these logs, unless there are too many."""
        now, name = self._clock(), TASK if holder.role == TASK else holder.name
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = TokenBucket(LINES_AT_ONCE, LINES_PER_SECOND, now)
            self._buckets[name] = bucket
        if not bucket.take(now):
            return
        if bucket.left_out:
            lines = count(bucket.left_out, "line was", "lines were")
            line = f"{line} ({lines} left out about this key before)"
            bucket.left_out = 0
        for log in logs:
            log.warning("%s", line)
