"""How much work a slot is sent at a time: pure arithmetic.

Short tasks travel by hundreds, so that neither side wakes for each one; long tasks travel alone and
to idle slots only, so that none waits behind another while a slot idles.
"""

from __future__ import annotations

import math

from msgspec import Struct

from headrace_worker.foresight import Times
from headrace_worker.link.runners import KeptJobs

#: How many seconds of work a slot holds at most, and the longest task that is called short.
PIECE_SECONDS = 0.05

#: How many tasks a piece has at most; a slot holds one that runs and one ahead.
PIECE_TASKS = 1000

#: How many bytes of inputs wait at most before a busy slot.
AHEAD_BYTES = 16 << 10

#: How many bytes of inputs an idle slot is sent at most at once, unless one task alone has more.
PIECE_BYTES = 1 << 20

#: A task that runs so many seconds is no longer short, whatever its job's mean: what waits behind
#: it is taken back.
STUCK_SECONDS = 0.1

#: Of how many jobs it is remembered how long their tasks take.
KEPT_PACES = 256

#: How much of the past each new observation leaves, so that the mean follows a job that changes.
KEPT_SHARE = 0.8


class Pace:
    """How long tasks take: a mean in which recent ones weigh more."""

    def __init__(self) -> None:
        self._tasks = 0.0
        self._seconds = 0.0
        self._squares = 0.0

    def observe(self, tasks: int, seconds: float) -> None:
        self._tasks = self._tasks * KEPT_SHARE + tasks
        self._seconds = self._seconds * KEPT_SHARE + seconds
        self._squares = self._squares * KEPT_SHARE + seconds * seconds / tasks

    @property
    def mean_seconds(self) -> float | None:
        return self._seconds / self._tasks if self._tasks else None

    @property
    def times(self) -> Times | None:
        """The mean and how much tasks differ from it; of those that ran together, their mean."""
        if not self._tasks:
            return None
        mean = self._seconds / self._tasks
        return Times(mean, math.sqrt(max(0.0, self._squares / self._tasks - mean * mean)))


class Paces:
    """How long the tasks of each job take, and all tasks together."""

    def __init__(self) -> None:
        self.overall = Pace()
        #: That of the job of which a task has ended last.
        self.latest = self.overall
        self._by_job: KeptJobs[Pace] = KeptJobs(KEPT_PACES)

    def observe(self, job: str, tasks: int, seconds: float) -> None:
        pace = self._by_job.touch(job)
        if pace is None:
            pace = Pace()
            self._by_job.keep(job, pace)
        pace.observe(tasks, seconds)
        self.latest = pace
        self.overall.observe(tasks, seconds)

    def mean_of(self, job: str) -> float | None:
        pace = self._by_job.touch(job)
        return None if pace is None else pace.mean_seconds

    def times_of(self, job: str) -> Times | None:
        pace = self._by_job.touch(job)
        return None if pace is None else pace.times


class Load(Struct, frozen=True):
    """What a slot holds: tasks without an outcome, their estimated seconds, inputs that wait."""

    tasks: int = 0
    seconds: float = 0.0
    ahead_bytes: int = 0


def choose_tasks(mean_seconds: float | None, load: Load, waiting_tasks: int, slots: int) -> int:
    """How many more tasks of a job to send to a slot; 0 for none now.

    ``waiting_tasks`` wait for any of ``slots``: toward the end pieces get smaller, so
    that all slots end at the same time.
    """
    if mean_seconds is None or mean_seconds > PIECE_SECONDS:
        return 0 if load.tasks else 1
    if load.tasks > PIECE_TASKS or load.seconds > PIECE_SECONDS / 2:
        return 0
    room_seconds = PIECE_SECONDS - load.seconds
    tasks = int(min(PIECE_TASKS, room_seconds / mean_seconds if mean_seconds else PIECE_TASKS))
    fair = math.ceil(waiting_tasks / (2 * slots))
    return min(tasks, max(1, fair)) if load.tasks else max(1, min(tasks, fair))


def fit_inputs(sizes_bytes: list[int], load: Load) -> int:
    """How many of the tasks with inputs of these sizes fit in one piece for this slot.

    An idle slot always takes one, however big; a busy one only what is small.
    """
    room_bytes = AHEAD_BYTES - load.ahead_bytes if load.tasks else PIECE_BYTES
    count = 0
    for size_bytes in sizes_bytes:
        room_bytes -= size_bytes
        if room_bytes < 0 and (count or load.tasks):
            break
        count += 1
    return count
