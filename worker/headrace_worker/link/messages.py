"""The messages between the pool and a slot.

    pool ── RunPiece, Retire ──► slot
    pool ◄─ Ready, Loaded, TasksDone, TaskFailed, PieceStopped, Retired, Lines, Progress ── slot

A message is encoded as an array: its tag, and then its fields in order. A piece is the part of a
batch that is sent to a slot at one time; it has a number.
"""

from __future__ import annotations

from msgspec import Struct

from headrace_worker.link.failure import Failure

#: A job for a slot: service, operation, packed parameters, and the parameters that are in files.
JobDescription = tuple[str, str, bytes, tuple[tuple[str, str, int], ...]]


class RunPiece(Struct, frozen=True, array_like=True, tag=0):
    """Run the tasks [start, stop) of a job.

    ``number`` is the number of the first task in the cell. ``inputs`` is None if the index is
    enough, and ``about`` is None if the slot knows the job. ``token`` is the token of the job,
    which replaces a key, and ``trace`` the tracing span under which its tasks are recorded.
    ``files`` is the number of open files that come with the message: the parameters that are in
    files.
    """

    piece: int
    generation: int
    number: int
    job: str
    attempt: int
    start: int
    stop: int
    inputs: tuple[bytes, ...] | None
    about: JobDescription | None
    token: str = ""
    files: int = 0
    trace: str = ""


class Retire(Struct, frozen=True, array_like=True, tag=1):
    """Send Retired with this reason, and exit."""

    why: str


class Ready(Struct, frozen=True, array_like=True, tag=2):
    """The slot has started; ``missing`` lists modules that should have been imported before."""

    missing: list[str]


class Loaded(Struct, frozen=True, array_like=True, tag=3):
    """The slot has loaded a service and prepared a job with it."""

    service: str


class TasksDone(Struct, array_like=True, tag=4):
    """The tasks [start, stop) of a piece are done; ``values`` is a batch.

    ``counters`` has the growth of the tasks' own counters.
    """

    piece: int
    start: int
    stop: int
    values: bytes
    counters: dict[str, float]
    cpu_seconds: float
    busy_seconds: float
    durations: tuple[int, ...]

    @property
    def indices(self) -> range:
        return range(self.start, self.stop)


class TaskFailed(Struct, array_like=True, tag=5):
    """The task ``index`` of a piece has failed."""

    piece: int
    index: int
    failure: Failure
    summary: str
    cpu_seconds: float
    busy_seconds: float

    @property
    def indices(self) -> range:
        return range(self.index, self.index + 1)


class PieceStopped(Struct, frozen=True, array_like=True, tag=6):
    """The tasks of a piece from ``index`` on were not started, because their generation has
    ended.
    """

    piece: int
    index: int


class Retired(Struct, frozen=True, array_like=True, tag=7):
    """The slot has reached a limit and exits."""

    why: str


class TaskLine(Struct, frozen=True, array_like=True):
    """A line that a task logged or printed, at Unix seconds ``at``.

    If ``left_out`` is not 0, this many lines are missing in its place, and ``text`` says why.
    """

    job: str
    index: int
    attempt: int
    at: float
    level: str
    text: str
    left_out: int = 0


class Lines(Struct, frozen=True, array_like=True, tag=8):
    """Lines that tasks have logged and printed."""

    lines: list[TaskLine]


class Progress(Struct, frozen=True, array_like=True, tag=9):
    """The progress of a running task; ``of`` is None if the total is not known."""

    job: str
    index: int
    done: float
    of: float | None


PoolMessage = RunPiece | Retire
SlotMessage = Ready | Loaded | TasksDone | TaskFailed | PieceStopped | Retired | Lines | Progress
