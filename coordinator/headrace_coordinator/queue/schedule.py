"""Whose turn it is, and how much of it: fair between jobs, and small toward a job's end.

Jobs of the highest priority that has work share the slots by start-time fair queueing (Goyal, Vin
and Cheng, 1996): each lease moves its job's virtual time on by the seconds of work it holds, the
job that is furthest behind is next, and a new job starts at the present virtual time. So a small
job never waits for a big one to end.

Where a thousand big jobs share two slots, a fair share of them is an hour's wait for a job of one
task. So every other lease goes to a job that has had nothing yet, or is short as a whole: the
shortest first. The leases between keep the others going, however many short jobs come.

The size of a lease follows guided self-scheduling (Polychronopoulos and Kuck, 1987): a share of
what is left for each slot, capped at half a second of work or a task for each free slot, and no
less than all slots do while the coordinator hands out one. Smaller leases would leave slots idle
for want of a coordinator. A worker far away gets no less than its slots do while requests are under
way, as far as that is its part of what is left. Where many jobs wait leases are smaller, so that
each has its turn soon.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator

from headrace_coordinator.queue.job import Job
from headrace_wire.messages.jobs import QUEUED

#: Seconds of work that one lease holds for each free slot, as far as is known.
LEASE_SECONDS_PER_SLOT = 0.5

#: Where so many jobs wait that a lease for each would take longer than this, leases get smaller.
ROUND_SECONDS = 8.0

#: Seconds of work that one lease holds at least for each free slot, however many jobs wait.
SMALL_LEASE_SECONDS_PER_SLOT = 0.05

#: A job is short that takes no more seconds of one slot than this, from its first task to its last.
SHORT_JOB_SECONDS = 10.0

#: Seconds that a task of a job is taken to last before the first report.
UNKNOWN_TASK_SECONDS = 0.05

#: For how many round trips, and seconds at most, a worker far away gets tasks of a job of which
#: nothing is known, or that is about to end.
AHEAD_ROUND_TRIPS = 2.0
LONGEST_AHEAD_SECONDS = 1.0

#: Part of a job's remaining tasks that may go into one lease for each slot of all workers.
TAIL_SHARE = 0.5

#: Seconds of the coordinator that one lease takes, its report and its values included, twice over.
LEASE_COST_SECONDS = 0.0008

#: Bytes of inputs in one grant; a single input may be larger.
MAX_GRANT_BYTES = 16 << 20

#: Tasks in one lease, whatever they last.
MAX_LEASE_TASKS = 1 << 17


class Turns:
    """Jobs that may have tasks to lease, in the order of their turns.

    A job is placed when tasks of it appear and when its virtual time has changed; one of which none
    waits any more is dropped, at the latest when it would be next.
    """

    def __init__(self) -> None:
        self._fair = _Order()
        self._favoured = _Order()
        #: Whether the last lease went to another job than the one that was furthest behind.
        self._jumped = False

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._fair

    def __len__(self) -> int:
        return len(self._fair)

    def place(self, job: Job) -> None:
        """Put a job where its turn is now, if tasks of it wait."""
        if not job.waiting:
            self.drop(job.spec.id)
            return
        self._fair.place(job, job.virtual_seconds)
        whole = job.busy_seconds + estimate_seconds(job, job.waiting)
        if job.state == QUEUED or whole <= SHORT_JOB_SECONDS:
            self._favoured.place(job, min(whole, SHORT_JOB_SECONDS))
        else:
            self._favoured.drop(job.spec.id)

    def drop(self, job_id: str) -> None:
        """Forget a job, if it is known."""
        self._fair.drop(job_id)
        self._favoured.drop(job_id)

    def pick(self, may_take: Callable[[Job], bool]) -> Job | None:
        """Return the next job with work for any worker, of those that ``may_take`` allows."""
        found = self._find(self._fair, may_take)
        if found is None or self._jumped:
            self._jumped = False
            return found
        favoured = self._find(self._favoured, may_take)
        if favoured is None or favoured.spec.priority < found.spec.priority:
            return found
        self._jumped = favoured is not found
        return favoured

    def _find(self, order: _Order, may_take: Callable[[Job], bool]) -> Job | None:
        found: Job | None = None
        passed: list[str] = []
        for job in order:
            if not job.waiting:
                passed.append(job.spec.id)
            elif job.has_work() and may_take(job):
                found = job
                break
        for job_id in passed:
            self.drop(job_id)
        return found


class _Order:
    """Jobs by their priority, then by a number of seconds, then as they came."""

    def __init__(self) -> None:
        self._order: list[_Place] = []
        self._places: dict[str, _Place] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._places

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Job]:
        return (job for *_, job in self._order)

    def place(self, job: Job, seconds: float) -> None:
        place = (-job.spec.priority, seconds, job.number, job)
        known = self._places.get(job.spec.id)
        if known is None or known[:3] != place[:3]:
            self.drop(job.spec.id)
            insort(self._order, place)
            self._places[job.spec.id] = place

    def drop(self, job_id: str) -> None:
        place = self._places.pop(job_id, None)
        if place:
            del self._order[bisect_left(self._order, place)]


#: What a job is ordered by, and the job.
_Place = tuple[int, float, int, Job]


def rank(job: Job) -> tuple[int, float]:
    """Return what decides between two jobs: the lower one is next."""
    return (-job.spec.priority, job.virtual_seconds)


def size_lease(
    job: Job,
    free_slots: int,
    all_slots: int,
    waiting_jobs: int = 1,
    told_seconds: float | None = None,
    ahead_seconds: float = 0.0,
    own_slots: int = 1,
) -> int:
    """Return how many tasks to lease to a worker with this many free slots, of ``own_slots``.

    ``told_seconds`` is how long a task takes there, if the worker has said so. Of a job of which
    nothing is known a worker far away gets what may take its slots ``ahead_seconds``, within its
    share; what it cannot begin soon it returns. Toward the end of a job it gets as much at a time,
    as the next request would be answered when its slots have long been idle.
    """
    by_share = TAIL_SHARE * job.waiting * free_slots / max(1, all_slots, free_slots)
    ahead_seconds = min(ahead_seconds, LONGEST_AHEAD_SECONDS)
    known_seconds = told_seconds if job.mean_seconds is None else job.mean_seconds
    if known_seconds is None:
        if waiting_jobs > all_slots:
            return 1
        ahead_tasks = ahead_seconds / UNKNOWN_TASK_SECONDS
        return max(1, free_slots, int(min(free_slots * (1 + ahead_tasks), by_share)))
    mean_seconds = max(known_seconds, 1e-9)
    by_cost = LEASE_COST_SECONDS * all_slots / mean_seconds
    by_time = LEASE_SECONDS_PER_SLOT * free_slots / mean_seconds
    by_turn = max(ROUND_SECONDS / max(1, waiting_jobs), SMALL_LEASE_SECONDS_PER_SLOT)
    by_time = min(by_time, max(by_turn * free_slots / mean_seconds, by_cost))
    part = job.waiting * min(1.0, max(own_slots, free_slots) / max(1, all_slots))
    by_distance = min(ahead_seconds * free_slots / mean_seconds, part)
    # Slots that are free begin at once, whatever their tasks last: jobs that wait share those.
    at_once = math.floor(min(free_slots / max(1, waiting_jobs), by_share))
    tasks = max(at_once, math.ceil(min(by_time, max(by_share, by_cost, by_distance))))
    return max(1, min(tasks, MAX_LEASE_TASKS))


def estimate_seconds(job: Job, tasks: int) -> float:
    """Return how long so many tasks of a job take in one slot, as far as is known."""
    mean = UNKNOWN_TASK_SECONDS if job.mean_seconds is None else job.mean_seconds
    return mean * tasks
