"""The input (batches) and output (events) of the pool."""

from __future__ import annotations

from msgspec import Struct

from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan
from headrace_worker.link.messages import TaskFailed, TasksDone


class Batch(Struct, eq=False):
    """A run of tasks, the indices [start, stop) of one job, each to be run once.

    - ``key`` identifies the batch among those that the pool holds.
    - ``parameters`` is a packed msgpack map.
    - ``inputs`` has an input for each index, or is None if the index is enough.
    - ``token`` is what its tasks send to the coordinator instead of a key.
    - ``trace`` is the tracing span under which they are recorded, or "" (see ``tracing``).
    - ``tenant`` names the tenant whose slots alone may run it, "" if any may (see ``tenancy``).
    - ``data`` has the parameters that are in files: name, path of the file, and its size in bytes.
    - ``timeout_seconds`` is the time limit of each task, None for none.
    - ``remaining`` is how many tasks have no outcome yet, while the pool holds the batch.
    """

    key: int
    job: str
    service: str
    operation: str
    parameters: bytes
    start: int
    stop: int
    attempt: int = 1
    inputs: tuple[bytes, ...] | None = None
    timeout_seconds: float | None = None
    tenant: str = ""
    data: tuple[tuple[str, str, int], ...] = ()
    remaining: int = 0
    cancelled: bool = False
    token: str = ""
    trace: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"batch {self.key} of job {self.job} has no tasks: "
                             f"[{self.start}, {self.stop})")  # fmt: skip
        if self.inputs is not None and len(self.inputs) != self.stop - self.start:
            raise ValueError(f"batch {self.key} of job {self.job} has {self.stop - self.start} "
                             f"tasks and {len(self.inputs)} inputs")  # fmt: skip
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ValueError(f"batch {self.key} of job {self.job} has a time limit of "
                             f"{self.timeout_seconds} s: it must be above 0")  # fmt: skip

    def input_of(self, index: int) -> bytes | None:
        return None if self.inputs is None else self.inputs[index - self.start]


#: The result of a batch: tasks that are done, one that failed, or tasks that were not run to their
#: end here and may run elsewhere. Its ``lease`` is the batch's key, and no worker is named yet.
Event = DoneSpan | TaskFailure | ReturnedSpan


def count_tasks(event: Event) -> int:
    return 1 if isinstance(event, TaskFailure) else event.stop - event.start


def make_event(batch: Batch, message: TasksDone | TaskFailed) -> DoneSpan | TaskFailure:
    """Make an event from a slot's message about tasks of a batch."""
    if isinstance(message, TasksDone):
        return DoneSpan(
            lease=batch.key,
            job=batch.job,
            start=message.start,
            stop=message.stop,
            values=message.values,
            cpu_seconds=message.cpu_seconds,
            busy_seconds=message.busy_seconds,
            counters=message.counters,
            durations=message.durations if message.stop - message.start > 1 else (),
        )
    return TaskFailure(
        lease=batch.key,
        job=batch.job,
        index=message.index,
        attempt=batch.attempt,
        reason="error",
        error_type=message.failure.error_type,
        message=message.failure.message,
        traceback=message.failure.traceback,
        summary=message.summary,
        cpu_seconds=message.cpu_seconds,
        busy_seconds=message.busy_seconds,
        detail=message.failure.detail,
    )
