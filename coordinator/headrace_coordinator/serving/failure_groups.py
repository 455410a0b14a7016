"""The failures of a job by what they have in common, for whoever wants to know what went wrong.

What has been looked at is remembered, so that to ask again costs no more than what is new. Others
have their turn after every few failures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct, field

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.events import Event, JobDeleted, TaskRevived
from headrace_wire.alike import Kind, find_kind
from headrace_wire.job_views import MAX_FAILURE_GROUPS, FailureGroup, FailureGroups
from headrace_wire.messages import TaskFailure

#: Failures of a job that are looked at, and kinds of them that are told apart.
MOST_READ = 10_000
MOST_KINDS = 1000

#: Failures that are read before others have their turn, and bytes of them.
READ_AT_ONCE = 100
READ_BYTES = 256 << 10

#: Jobs whose failures are remembered.
JOBS_REMEMBERED = 50

#: Workers that are named of each kind.
WORKERS_NAMED = 20


class Alike(Struct):
    """Failures of one kind. ``example`` is that of the first task."""

    example: TaskFailure
    last: int
    count: int = 0
    workers: dict[str, None] = field(default_factory=dict[str, None])

    def add(self, failure: TaskFailure) -> None:
        self.count += 1
        self.last = max(self.last, failure.index)
        if failure.index < self.example.index:
            self.example = failure
        if failure.worker and len(self.workers) < WORKERS_NAMED:
            self.workers[failure.worker] = None

    def show(self) -> FailureGroup:
        failure = self.example
        return FailureGroup(
            reason=failure.reason,
            error_type=failure.error_type,
            message=failure.message,
            traceback=failure.traceback,
            count=self.count,
            first=failure.index,
            last=self.last,
            workers=tuple(self.workers),
            signal=failure.signal,
            summary=failure.summary,
        )


class Groups(Struct):
    """The failures of a job up to ``cursor``, by their kinds."""

    cursor: int = 0
    looked_at: int = 0
    kinds: dict[Kind, Alike] = field(default_factory=dict[Kind, Alike])

    def add(self, failures: Sequence[TaskFailure]) -> None:
        self.looked_at += len(failures)
        for failure in failures:
            kind = find_kind(failure)
            alike = self.kinds.get(kind)
            if alike is None:
                if len(self.kinds) >= MOST_KINDS:
                    continue
                alike = self.kinds[kind] = Alike(failure, failure.index)
            alike.add(failure)

    def show(self) -> FailureGroups:
        """The groups, those with the most failures first."""
        most = sorted(self.kinds.values(), key=lambda alike: (-alike.count, alike.example.index))
        shown = tuple(alike.show() for alike in most[:MAX_FAILURE_GROUPS])
        return FailureGroups(shown, self.looked_at)


class FailureBook:
    """Groups the failures of a ledger's jobs, in the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._jobs: dict[str, Groups] = {}
        ledger.listen(self._note)

    async def find(self, job_id: str) -> FailureGroups:
        """The failures of a job so far. Raises UnknownJobError."""
        self._ledger.observe(lambda queue, _: queue.state.find(job_id))
        groups = self._jobs.pop(job_id, None) or Groups()
        self._jobs[job_id] = groups  # the newest
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
        """Forget what is no longer so: tasks that failed run again."""
        if self._jobs:
            for event in events:
                if isinstance(event, TaskRevived | JobDeleted):
                    self._jobs.pop(event.job, None)
