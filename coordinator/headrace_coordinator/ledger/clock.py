"""The coordinator's own clock, which stops while the coordinator cannot receive anything."""

from __future__ import annotations

import threading
import time

#: The ticker reads the clock every second. If nobody has read it for this many seconds, the process
#: was stopped and could not receive anything.
STANDSTILL_SECONDS = 2.0

#: How many seconds such a pause counts. It is not 0, so that time passes even if the clock is
#: rarely read.
STANDSTILL_COUNTS_SECONDS = 0.25


class Clock:
    """Counts seconds from a beginning. It never jumps and never goes back. Thread-safe.

    So a worker is not considered silent because the coordinator was stopped and could not receive
    its messages.
    """

    def __init__(self, beginning: float) -> None:
        self._lock = threading.Lock()
        self._now = beginning
        self._looked = time.monotonic()

    def read(self) -> float:
        with self._lock:
            looked = time.monotonic()
            passed = looked - self._looked
            self._now += passed if passed <= STANDSTILL_SECONDS else STANDSTILL_COUNTS_SECONDS
            self._looked = looked
            return self._now
