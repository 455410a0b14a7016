"""Messages that show people one job: how its tasks stand, how long they take, why they fail."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from headrace_wire.bounds import MAX_TASK_RUNS, Index
from headrace_wire.message import Message
from headrace_wire.messages import Span

#: The state of a task. Of a job that was cut short, those that are neither done nor dead are
#: cancelled.
TaskState = Literal["waiting", "leased", "retrying", "done", "dead", "cancelled"]


class TaskRun(Span):
    """Tasks [start, stop), all in one state."""

    state: TaskState


class TaskRuns(Message):
    """How some tasks of a job stand, without a gap; the job has so many ``tasks`` by now.

    If they are ``merged``, neighbours were taken together, and a run is in the most urgent state of
    its tasks: dead, retrying, leased, waiting, cancelled, done.
    """

    tasks: Index
    runs: Annotated[tuple[TaskRun, ...], Meta(max_length=MAX_TASK_RUNS)]
    merged: bool
