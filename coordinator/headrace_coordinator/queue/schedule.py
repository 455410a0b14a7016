"""Whose turn it is, and how much of it: fair between jobs, and small toward a job's end.

Jobs of the highest priority that has work share the slots by start-time fair queueing (Goyal, Vin
and Cheng, 1996): each lease moves its job's virtual time on by the seconds of work it holds, the
job that is furthest behind is next, and a new job starts at the present virtual time. So a small
job never waits for a big one to end.

The size of a lease follows guided self-scheduling (Polychronopoulos and Kuck, 1987): a share of
what is left for each slot, capped at half a second of work, and no less than all slots do while the
coordinator hands out one. Smaller leases would leave slots idle for want of a coordinator.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Callable

from headrace_coordinator.queue.job import Job

#: Seconds of work that one lease holds for each free slot, as far as is known.
LEASE_SECONDS_PER_SLOT = 0.5

#: Seconds that a task of a job is taken to last before the first report.
UNKNOWN_TASK_SECONDS = 0.05

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

    A job is placed when tasks of it appear and when its virtual time has changed; one that has none
    any more is dropped when it would be next.
    """

    def __init__(self) -> None:
        self._order: list[_Place] = []
        self._places: dict[str, _Place] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._places

    def __bool__(self) -> bool:
        return bool(self._order)

    def place(self, job: Job) -> None:
        """Put a job where its turn is now."""
        place = (*rank(job), job.number, job)
        known = self._places.get(job.spec.id)
        if known is None or known[:3] != place[:3]:
            self.drop(job.spec.id)
            insort(self._order, place)
            self._places[job.spec.id] = place

    def drop(self, job_id: str) -> None:
        """Forget a job, if it is known."""
        place = self._places.pop(job_id, None)
        if place:
            del self._order[bisect_left(self._order, place)]

    def pick(self, may_take: Callable[[Job], bool]) -> Job | None:
        """Return the next job with work for any worker, of those that ``may_take`` allows."""
        found: Job | None = None
        passed: list[str] = []
        for *_, job in self._order:
            if not job.waiting:
                passed.append(job.spec.id)
            elif job.has_work() and may_take(job):
                found = job
                break
        for job_id in passed:
            self.drop(job_id)
        return found


#: Where a job is in the order: by its rank, then by its number.
_Place = tuple[int, float, int, Job]


def rank(job: Job) -> tuple[int, float]:
    """Return what decides between two jobs: the lower one is next."""
    return (-job.spec.priority, job.virtual_seconds)


def size_lease(job: Job, free_slots: int, all_slots: int) -> int:
    """Return how many tasks to lease to a worker with this many free slots."""
    if job.mean_seconds is None:
        return max(1, free_slots)
    by_time = LEASE_SECONDS_PER_SLOT * free_slots / max(job.mean_seconds, 1e-9)
    by_share = TAIL_SHARE * job.waiting * free_slots / max(all_slots, free_slots)
    by_cost = LEASE_COST_SECONDS * all_slots / max(job.mean_seconds, 1e-9)
    return max(1, min(math.ceil(min(by_time, max(by_share, by_cost))), MAX_LEASE_TASKS))


def estimate_seconds(job: Job, tasks: int) -> float:
    """Return how long so many tasks of a job take in one slot, as far as is known."""
    mean = UNKNOWN_TASK_SECONDS if job.mean_seconds is None else job.mean_seconds
    return mean * tasks
