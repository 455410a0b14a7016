"""What the pool takes in (batches) and gives out (events)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Reason = Literal["error", "timeout", "crash", "oom"]


class Batch(Struct, frozen=True):
    """A run of tasks, the indices [start, stop) of one job, to be run once each.

    ``key`` names the batch among those that the pool holds; ``parameters`` is a packed msgpack map;
    ``inputs`` has an input for each index, or is None where the index is enough;
    ``tenant`` is whose slots alone may run it, "" where any may (see ``tenancy``);
    ``data`` are parameters that are in files: the name of each, the file's path and its bytes;
    ``timeout_seconds`` is the limit for each task, None for none.
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


class Done(Struct, frozen=True):
    """The tasks [start, stop) of a batch are done.

    ``values`` is packed where they were made: a msgpack array of one bin a task, to be passed on
    unopened. ``busy_seconds`` is the sum of the tasks' durations and ``durations`` counts them by
    ``headrace_wire.samples.TASK_SECONDS_BOUNDS``; ``cpu_seconds`` includes the tasks' own
    subprocesses. ``counters`` is what the tasks' own counters grew by; None for nothing.
    """

    key: int
    job: str
    start: int
    stop: int
    values: bytes
    cpu_seconds: float
    busy_seconds: float
    durations: tuple[int, ...]
    counters: dict[str, float] | None = None


class Failed(Struct, frozen=True):
    """One task failed.

    ``signal`` is the name of the signal that ended its slot (``SIGSEGV``), "" where there was none.
    ``cpu_seconds`` is 0 where the slot's end took the count with it. ``detail`` is what the service
    has to tell its client of the exception, encoded by it, or b"".
    """

    key: int
    job: str
    index: int
    attempt: int
    reason: Reason
    message: str
    signal: str = ""
    error_type: str = ""
    traceback: str = ""
    summary: str = ""
    cpu_seconds: float = 0.0
    busy_seconds: float = 0.0
    detail: bytes = b""


class Returned(Struct, frozen=True):
    """The tasks [start, stop) of a batch were not run to an end here and may run elsewhere."""

    key: int
    job: str
    start: int
    stop: int


Event = Done | Failed | Returned
