"""Whose turn it is, and how much of it: fair between jobs, and small toward a job's end.

Jobs of the highest priority that has work share the slots by start-time fair queueing (Goyal, Vin
and Cheng, 1996): each lease moves its job's virtual time on by the seconds of work it holds, the
job that is furthest behind is next, and a new job starts at the present virtual time. So a small
job never waits for a big one to end.

The size of a lease follows guided self-scheduling (Polychronopoulos and Kuck, 1987): a share of
what is left for each slot, capped at half a second of work.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from headrace_coordinator.job import Job

#: Seconds of work that one lease holds for each free slot, as far as is known.
LEASE_SECONDS_PER_SLOT = 0.5

#: Seconds that a task of a job is taken to last before the first report.
UNKNOWN_TASK_SECONDS = 0.05

#: Part of a job's remaining tasks that may go into one lease for each slot of all workers.
TAIL_SHARE = 0.5

#: Bytes of inputs in one grant; a single input may be larger.
MAX_GRANT_BYTES = 16 << 20

#: Tasks in one lease, whatever they last.
MAX_LEASE_TASKS = 1 << 17


def pick_job(jobs: Iterable[Job], services: frozenset[str]) -> Job | None:
    """The job that is next to be leased from by a worker that offers these services."""
    best: Job | None = None
    for job in jobs:
        if not job.has_work() or job.spec.service not in services:
            continue
        if best is None or _rank(job) < _rank(best):
            best = job
    return best


def pick_suspected(jobs: Iterable[Job], services: frozenset[str]) -> Job | None:
    """A job with suspects for a worker that offers these services."""
    found = (job for job in jobs if job.suspects and job.spec.service in services)
    return min(found, key=_rank, default=None)


def _rank(job: Job) -> tuple[int, float]:
    return (-job.spec.priority, job.virtual_seconds)


def size_lease(job: Job, free_slots: int, all_slots: int) -> int:
    """How many tasks to lease to a worker with this many free slots."""
    if job.mean_seconds is None:
        return max(1, free_slots)
    by_time = LEASE_SECONDS_PER_SLOT * free_slots / max(job.mean_seconds, 1e-9)
    by_share = TAIL_SHARE * job.waiting * free_slots / max(all_slots, free_slots)
    return max(1, min(math.ceil(min(by_time, by_share)), MAX_LEASE_TASKS))


def estimate_seconds(job: Job, tasks: int) -> float:
    """How long this many tasks of a job take in one slot, as far as is known."""
    mean = UNKNOWN_TASK_SECONDS if job.mean_seconds is None else job.mean_seconds
    return mean * tasks
