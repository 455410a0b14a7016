"""Messages that show one job to people: the states of its tasks, their times, and their
failures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta

from headrace_wire.bounds import (
    MAX_ENTRIES,
    MAX_TASK_RUNS,
    Amount,
    Count,
    Index,
    OptionalIdentifier,
    OptionalLabel,
    Seconds,
    Text,
)
from headrace_wire.message import Message
from headrace_wire.messages.failures import Reason
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.spans import Span
from headrace_wire.samples import TASK_SECONDS_BOUNDS

#: The state of a task. If a job was ended early, tasks that are neither done nor dead are
#: cancelled.
TaskState = Literal["waiting", "leased", "retrying", "done", "dead", "cancelled"]


class TaskRun(Span):
    """Tasks [start, stop), all in one state."""

    state: TaskState


class TaskRuns(Message):
    """The states of some tasks of a job, without a gap; the job has this many ``tasks`` by now.

    If ``merged``, neighbouring runs were joined, and a run is in the most urgent state of its
    tasks: dead, retrying, leased, waiting, cancelled, done.
    """

    tasks: Index
    runs: Annotated[tuple[TaskRun, ...], Meta(max_length=MAX_TASK_RUNS)]
    merged: bool


#: The maximum number of kinds of failures in one answer.
MAX_FAILURE_GROUPS: Final = 100

#: Upper bounds of task times in seconds: those in which workers count, and some in between for
#: tasks that take long, each of which is reported by itself.
TIME_BOUNDS: Final = tuple(sorted({*TASK_SECONDS_BOUNDS, 20.0, 120.0, 600.0, 1200.0, 3600.0}))


class TaskTimes(Message):
    """How many attempts at a job's tasks took how long, as far as their times are known.

    Each count is of attempts that took up to the bound at the same position, and longer than the
    previous bound. There is one more count for those that took longer than all bounds.
    """

    upper_seconds: Annotated[tuple[Amount, ...], Meta(max_length=100)]
    counts: Annotated[tuple[Count, ...], Meta(max_length=101)]


#: The times of a job of which none are known.
NO_TIMES: Final = TaskTimes(TIME_BOUNDS, (0,) * (len(TIME_BOUNDS) + 1))


class TaskTime(Message):
    """How long tasks [start, stop), done one after another, took in total, and on which worker.

    ``attempt`` is the one at which they were done, 0 if that is not known any more.
    """

    start: Index
    stop: Index
    worker: OptionalLabel
    cpu_seconds: Seconds
    busy_seconds: Seconds
    attempt: Count = 0


class FailureGroup(Message):
    """Dead tasks of a job that failed in the same way: for one reason, with one text except for
    details.

    ``message``, ``traceback``, ``signal`` and ``summary``, which names the input, are those of task
    ``first``. ``last`` is the last of the tasks, and ``workers`` names some of those that ran them.
    """

    reason: Reason
    error_type: Text
    message: Text
    traceback: Text
    count: Count
    first: Index
    last: Index
    workers: Annotated[tuple[OptionalLabel, ...], Meta(max_length=MAX_ENTRIES)]
    signal: OptionalIdentifier = ""
    summary: Text = ""


class FailureGroups(Message):
    """The failures of a job by their kinds, the most frequent first; as a sequence, its ``groups``.

    The first ``looked_at`` failures were examined. ``kinds`` is how many kinds were found among
    them, some of which may be left out here; 0 if not known.
    """

    groups: Annotated[tuple[FailureGroup, ...], Meta(max_length=MAX_FAILURE_GROUPS)]
    looked_at: Count
    kinds: Count = 0

    def __iter__(self) -> Iterator[FailureGroup]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, place: int) -> FailureGroup:
        return self.groups[place]

    @property
    def kinds_left_out(self) -> int:
        """How many kinds are not among the groups."""
        return max(0, self.kinds - len(self.groups))


class PastJob(Message):
    """What is kept of a job that has expired. Its failures and ``runs`` of tasks are not
    complete.
    """

    status: JobStatus
    times: TaskTimes
    failures: FailureGroups = FailureGroups((), 0)
    runs: TaskRuns = TaskRuns(0, (), merged=True)
