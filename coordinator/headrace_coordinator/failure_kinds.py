"""Groups the failures of a job by what they have in common."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from headrace_wire.alike import Kind, find_kind
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.job_views import MAX_FAILURE_GROUPS, FailureGroup, FailureGroups

#: The maximum number of kinds among a job's failures.
MOST_KINDS = 1000

#: The maximum number of workers that are named for each kind.
WORKERS_NAMED = 20


class Alike(Struct):
    """Failures of one kind. ``example`` is the failure of the first task."""

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
    """The failures of a job up to ``cursor``, by kind."""

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

    def show(self, limit: int = MAX_FAILURE_GROUPS) -> FailureGroups:
        """Return the groups, those with the most failures first."""
        most = sorted(self.kinds.values(), key=lambda alike: (-alike.count, alike.example.index))
        groups = tuple(alike.show() for alike in most[:limit])
        return FailureGroups(groups, self.looked_at, len(self.kinds))
