"""For how many slots a worker wants work, so that no slot idles and no task waits in vain.

Long tasks are asked for only when a slot is free: one that waited behind another here could have
run elsewhere. Short ones are asked for a little ahead, so that slots don't wait for a round trip.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace_wire.messages import DoneRun
from headrace_worker.pool.batch import Event
from headrace_worker.pool.dispatch import Pace
from headrace_worker.pool.pool import Pool

#: Tasks that last less than this many seconds are asked for ahead.
SHORT_TASK_SECONDS = 0.1

#: Seconds of work for each slot under which more is asked for ahead.
AHEAD_SECONDS = 0.25


class Demand:
    """Learns from outcomes how long tasks take."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._pace = Pace()

    def learn(self, events: Sequence[Event]) -> None:
        """Note how long tasks took of late."""
        for event in events:
            if isinstance(event, DoneRun):
                self._pace.observe(event.stop - event.start, event.busy_seconds)

    def count_wanted(self, pool: Pool) -> int:
        """For how many slots work is wanted now."""
        waiting = pool.queued_tasks
        if waiting < pool.idle_slots:
            return pool.idle_slots - waiting
        mean_seconds = self._pace.mean_seconds
        if mean_seconds is None or mean_seconds > SHORT_TASK_SECONDS:
            return 0
        ahead = pool.pending_seconds
        if ahead is None:  # of something nobody knows how long it takes
            return 0
        return self._slots if ahead < AHEAD_SECONDS * self._slots else 0
