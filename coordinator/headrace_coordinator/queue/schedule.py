"""Which job is next, and how much of it is leased: fair between jobs, and less toward a job's end.

Jobs of the highest priority that has work share the slots by start-time fair queueing (Goyal, Vin
and Cheng, 1996): each lease advances its job's virtual time by the seconds of work that it
contains, the job that is furthest behind is next, and a new job starts at the present virtual time.
So a small job never waits for a big one to end.

If a thousand big jobs share two slots, a fair share means that a job of one task waits for an hour.
So every other lease goes to a job that has had nothing yet, or is short as a whole, the shortest
first. The leases in between keep the others going, however many short jobs arrive.

The size of a lease follows guided self-scheduling (Polychronopoulos and Kuck, 1987): a share of
what is left for each slot, limited to half a second of work or one task for each free slot, and not
less than what all slots do while the coordinator grants one lease. With smaller leases, slots would
be idle because the coordinator is busy. A worker that is far away gets at least what its slots do
while requests are pending, up to its share of what is left. If many jobs wait, leases are smaller,
so that each job soon has its turn.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator

from headrace_coordinator.queue.job import Job
from headrace_wire.messages.jobs import QUEUED
from headrace_wire.messages.leases import LeaseRequest

#: How many seconds of work one lease contains for each free slot, as far as is known.
LEASE_SECONDS_PER_SLOT = 0.5

#: If so many jobs wait that a lease for each would take longer than this, leases are smaller.
ROUND_SECONDS = 8.0

#: How many seconds of work one lease contains at least for each free slot, however many jobs wait.
SMALL_LEASE_SECONDS_PER_SLOT = 0.05

#: A job is short if all its tasks together take one slot no longer than this, in seconds.
SHORT_JOB_SECONDS = 10.0

#: How many seconds a task of a job is assumed to take before the first report.
UNKNOWN_TASK_SECONDS = 0.05

#: For how many round trips, but at most how many seconds, a worker that is far away gets tasks of a
#: job about which nothing is known, or that is about to end.
AHEAD_ROUND_TRIPS = 2.0
LONGEST_AHEAD_SECONDS = 1.0

#: How many seconds a task of a job about which nothing is known may take for this to hold. If it
#: takes longer, the worker returns what it has too much as soon as its first task has ended.
SHORT_TASK_SECONDS = 0.005

#: The fraction of a job's remaining tasks that one lease may contain for each slot of all workers.
TAIL_SHARE = 0.5

#: Twice the seconds of the coordinator's time that one lease takes, including its report and
#: values.
LEASE_COST_SECONDS = 0.0008

#: The maximum number of bytes of inputs in one grant; a single input may be larger.
MAX_GRANT_BYTES = 16 << 20

#: The maximum number of tasks in one lease, however short they are.
MAX_LEASE_TASKS = 1 << 17


class Turns:
    """Jobs that may have tasks to lease, in the order of their turns.

    A job is placed when tasks of it appear and when its virtual time has changed. A job without
    waiting tasks is dropped, at the latest when it would be next.
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
        """Remove a job, if it is known."""
        self._fair.drop(job_id)
        self._favoured.drop(job_id)

    def pick(self, may_take: Callable[[Job], bool]) -> Job | None:
        """Return the next job with work for any worker, among those that ``may_take`` allows."""
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
    """Jobs by their priority, then by a number of seconds, then in the order of their arrival."""

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


#: The key by which a job is ordered, and the job.
_Place = tuple[int, float, int, Job]


def rank(job: Job) -> tuple[int, float]:
    """Return the key that decides between two jobs: the lower one is next."""
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

    ``told_seconds`` is how long a task takes there, if the worker has reported it. If nothing is
    known about a job, a worker that is far away gets what may keep its slots busy for
    ``ahead_seconds``, within its share; it returns what it cannot begin soon. Toward the end of a
    job it gets as much at a time, because its slots would be idle long before the next request is
    answered.
    """
    by_share = TAIL_SHARE * job.waiting * free_slots / max(1, all_slots, free_slots)
    ahead_seconds = min(ahead_seconds, LONGEST_AHEAD_SECONDS)
    known_seconds = told_seconds if job.mean_seconds is None else job.mean_seconds
    if known_seconds is None:
        if waiting_jobs > all_slots:
            return 1
        ahead_tasks = ahead_seconds / SHORT_TASK_SECONDS
        return max(1, free_slots, int(min(free_slots * (1 + ahead_tasks), by_share)))
    mean_seconds = max(known_seconds, 1e-9)
    by_cost = LEASE_COST_SECONDS * all_slots / mean_seconds
    by_time = LEASE_SECONDS_PER_SLOT * free_slots / mean_seconds
    by_turn = max(ROUND_SECONDS / max(1, waiting_jobs), SMALL_LEASE_SECONDS_PER_SLOT)
    by_time = min(by_time, max(by_turn * free_slots / mean_seconds, by_cost))
    part = job.waiting * min(1.0, max(own_slots, free_slots) / max(1, all_slots))
    by_distance = min(ahead_seconds * free_slots / mean_seconds, part)
    # Free slots begin at once, however long their tasks take: waiting jobs share them.
    at_once = math.floor(min(free_slots / max(1, waiting_jobs), by_share))
    tasks = max(at_once, math.ceil(min(by_time, max(by_share, by_cost, by_distance))))
    return max(1, min(tasks, MAX_LEASE_TASKS))


def estimate_seconds(job: Job, tasks: int) -> float:
    """Estimate how many seconds this many tasks of a job take in one slot, as far as is known."""
    mean = UNKNOWN_TASK_SECONDS if job.mean_seconds is None else job.mean_seconds
    return mean * tasks


def limit_grant_bytes(request: LeaseRequest) -> int:
    """Return how many bytes of inputs an answer to this request may have at most."""
    most = MAX_GRANT_BYTES if request.max_bytes is None else request.max_bytes
    return max(1, min(most, MAX_GRANT_BYTES))
