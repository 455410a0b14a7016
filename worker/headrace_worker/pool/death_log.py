"""Logs the slots that died by themselves or were killed by somebody else."""

from __future__ import annotations

import logging
import time

from headrace_wire.log_format import about
from headrace_wire.token_bucket import TokenBucket
from headrace_wire.words import count
from headrace_worker.pool.backlog import Span
from headrace_worker.pool.slot_process import SlotProcess

#: How many deaths are logged at once, and how many more per second. Tasks can cause any number.
LINES_AT_ONCE = 20
LINES_PER_SECOND = 0.2

_log = logging.getLogger(__name__)


class DeathLog:
    """Writes one warning for each death, or counts it if there are too many."""

    def __init__(self) -> None:
        self._bucket = TokenBucket(LINES_AT_ONCE, LINES_PER_SECOND, time.monotonic())

    def note(self, slot: SlotProcess, message: str, charged: Span | None) -> None:
        """Log a death. ``message`` says how the slot ended, and ``charged`` is the task that it
        ran, if any.
        """
        if not self._bucket.take(time.monotonic()):
            return
        left_out, self._bucket.left_out = self._bucket.left_out, 0
        others = ""
        if left_out:
            others = f" ({count(left_out, 'death', 'deaths')} before it not logged)"
        what, extra = "no task", about()
        if charged:
            what = f"task {charged.start} of job {charged.batch.job}"
            extra = about(charged.batch.job, charged.start, charged.batch.attempt)
        _log.warning(
            "slot %d (process %d), which ran %s, is replaced: %s%s",
            slot.number,
            slot.pid,
            what,
            message,
            others,
            extra=extra,
        )
