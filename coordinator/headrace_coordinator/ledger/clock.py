"""The coordinator's own time, which passes only while it is there to hear of what happens."""

from __future__ import annotations

import threading
import time

#: The ticker reads the clock each second. If nobody has read it for so many seconds, the process
#: was stopped and could hear nobody.
STANDSTILL_SECONDS = 2.0

#: How many seconds such a time counts: more than none, so that time passes if looks are rare.
STANDSTILL_COUNTS_SECONDS = 0.25


class Clock:
    """Counts seconds from a beginning; never jumps, never goes back. Thread safe.

    So a worker that could not be heard, as the coordinator was stopped, does not count as silent.
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
