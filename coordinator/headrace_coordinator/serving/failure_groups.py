"""Groups the failures of a job by their kinds.

What has been read is remembered, so that the next request only reads what is new. Others get their
turn after every few failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from headrace_coordinator.failure_kinds import Groups
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.events import Event, JobDeleted, TaskRevived
from headrace_wire.messages.job_views import FailureGroups

#: How many failures of a job are read.
MOST_READ = 10_000

#: How many failures, or bytes of them, are read before others get their turn.
READ_AT_ONCE = 100
READ_BYTES = 256 << 10

#: How many jobs' failures are remembered.
JOBS_REMEMBERED = 50


class FailureBook:
    """Groups the failures of a ledger's jobs, in the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._jobs: dict[str, Groups] = {}
        ledger.listen(self._note)

    async def find(self, job_id: str) -> FailureGroups:
        """Return the failures of a job so far. Raises UnknownJobError."""
        self._ledger.observe(lambda queue, _: queue.state.find(job_id))
        groups = self._jobs.pop(job_id, None) or Groups()
        self._jobs[job_id] = groups  # moved to the end, as the newest
        if len(self._jobs) > JOBS_REMEMBERED:
            del self._jobs[next(iter(self._jobs))]
        reader = self._ledger.store.reader
        while (most := min(READ_AT_ONCE, MOST_READ - groups.looked_at)) > 0:
            failures, groups.cursor = reader.read_failures_after(
                job_id, groups.cursor, most, READ_BYTES
            )
            if not failures:
                break
            groups.add(failures)
            await asyncio.sleep(0)
        return groups.show()

    def _note(self, events: Sequence[Event]) -> None:
        """Forget the groups of a job if failed tasks run again."""
        if self._jobs:
            for event in events:
                if isinstance(event, TaskRevived | JobDeleted):
                    self._jobs.pop(event.job, None)
