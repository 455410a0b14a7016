"""How much work a slot is sent at a time: pure arithmetic.

Short tasks are sent by hundreds, so that neither side wakes up for each one. Long tasks are sent
one by one, to idle slots only, so that none waits behind another one while a slot is idle.
"""

from __future__ import annotations

import math

from msgspec import Struct

from headrace_worker.link.runners import KeptJobs
from headrace_worker.prefetch import Times

#: The maximum work of a slot in seconds. A task is short if it takes no longer than this.
PIECE_SECONDS = 0.05

#: The maximum number of tasks in a piece. A slot holds one piece that runs, and one in advance.
PIECE_TASKS = 1000

#: How many bytes of inputs may wait at a busy slot.
AHEAD_BYTES = 16 << 10

#: How many bytes of inputs an idle slot is sent at once, unless a single task has more.
PIECE_BYTES = 1 << 20

#: A task that has run for this many seconds is no longer short, whatever the mean of its job, and
#: tasks behind it are taken back.
STUCK_SECONDS = 0.1

#: The number of jobs for which it is remembered how long their tasks take.
KEPT_PACES = 256

#: The weight that earlier observations keep with each new one, so that the mean follows changes.
KEPT_SHARE = 0.8


class Pace:
    """How long tasks take: a mean in which recent ones have more weight."""

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
        """The mean and the spread of the times of tasks; of tasks that ran together, of their
        mean.
        """
        if not self._tasks:
            return None
        mean = self._seconds / self._tasks
        return Times(mean, math.sqrt(max(0.0, self._squares / self._tasks - mean * mean)))


class Paces:
    """How long the tasks of each job take, and all tasks together."""

    def __init__(self) -> None:
        self.overall = Pace()
        #: The pace of the job whose task has ended last.
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
    """What a slot holds: tasks without an outcome, their estimated seconds, and bytes of waiting
    inputs.
    """

    tasks: int = 0
    seconds: float = 0.0
    ahead_bytes: int = 0


def choose_tasks(mean_seconds: float | None, load: Load, waiting_tasks: int, slots: int) -> int:
    """Return how many more tasks of a job to send to a slot; 0 for none now.

    ``waiting_tasks`` wait for any of ``slots``: toward the end pieces get smaller, so that all
    slots finish at the same time.
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
    """Return how many tasks with inputs of these sizes fit in one piece for this slot.

    An idle slot always accepts one, however large; a busy slot only accepts small inputs.
    """
    room_bytes = AHEAD_BYTES - load.ahead_bytes if load.tasks else PIECE_BYTES
    count = 0
    for size_bytes in sizes_bytes:
        room_bytes -= size_bytes
        if room_bytes < 0 and (count or load.tasks):
            break
        count += 1
    return count
