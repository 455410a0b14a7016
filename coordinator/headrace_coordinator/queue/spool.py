"""Whether there is space for inputs that arrive, and for results of tasks to be leased.

    put, submit ─► require_room ─► SpoolFullError, and the client waits
    lease ───────► fit ──────────► fewer tasks, or none; leased ones count with their expected size

A task whose value is not larger than its input frees space in the end, and the limit never holds it
back. The disk does: it needs space for the value before the input is removed. So inputs leave some
of it for values. If inputs alone filled the spool, nothing would ever free space, so one task at a
time is leased as long as no results are kept that somebody could fetch.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import inf

from headrace_coordinator.queue.events import WorkHeld
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.lack_of_room import Lack, explain_lack
from headrace_coordinator.queue.state import QueueState
from headrace_wire.errors import JobStateError, SpoolFullError

#: The size that is assumed for a value while none of its job is known, in bytes, and the largest
#: fraction of the limit that is assumed.
UNKNOWN_BYTES = 1 << 20
UNKNOWN_SHARE = 1 / 16

#: How much of the limit inputs of streams may take while tasks of theirs wait or run. Their results
#: are fetched meanwhile, so nothing is gained by more.
STREAMED_SHARE = 1 / 2

#: For how many values of a job its inputs leave space on the disk.
VALUES_LEFT = 2

#: Values up to this size in bytes have space on the disk if they are smaller than their inputs,
#: because some is left free for outcomes.
SMALL_BYTES = 4096

#: After how many measurements of the disk everything is removed that is no longer kept.
SETTLED_NOTES = 5

#: How many runs of done tasks are examined for inputs that are kept although they are not needed.
SPENT_RUNS = 1000


class Spool:
    """Decides what there is space for. If ``limit_bytes`` is None, only the disk limits it.

    ``scratch`` is the folder of a coordinator that works for one program only, "" for others.
    """

    def __init__(self, state: QueueState, limit_bytes: int | None, scratch: str = "") -> None:
        self._state = state
        self._scratch = scratch
        self._limit_bytes = inf if limit_bytes is None else limit_bytes
        self.disk_problem = ""
        self._disk_bytes = inf
        self._written_bytes = 0
        #: How many bytes were dropped in all, at the last measurements.
        self._dropped_bytes = deque([0], SETTLED_NOTES)

    def note_disk(self, free_bytes: float, problem: str = "") -> None:
        """Note how much space the disk has in addition to what is kept now.

        ``problem`` says why nothing can be written now.
        """
        if problem and not self.disk_problem:
            for job_id in [job_id for job_id, job in self._state.jobs.items() if not job.is_final]:
                self._state.emit(WorkHeld(job_id, ""))
        self.disk_problem = problem
        before, self._disk_bytes = self._disk_bytes, free_bytes
        self._written_bytes = self._state.written_bytes
        was_settling = self.is_settling
        self._dropped_bytes.append(self._measure_dropped())
        if free_bytes > before:
            self._state.end_hold()
        elif was_settling and not self.is_settling:
            for job_id in self._state.held:  # calls that wait may say why now
                self._state.emit(WorkHeld(job_id, ""))

    @property
    def is_settling(self) -> bool:
        """Whether the disk alone is short of space, and some is about to be freed."""
        room = self._limit_bytes - self._state.spool_bytes
        return self.disk_bytes < room and self._measure_dropped() > self._dropped_bytes[0]

    @property
    def disk_bytes(self) -> float:
        """The space on the disk in bytes, as far as is known.

        What is no longer kept is removed from the disk later, and counts when that is measured.
        """
        return self._disk_bytes - (self._state.written_bytes - self._written_bytes)

    def fit(self, job: Job, most: int) -> int:
        """Return how many of ``most`` tasks of a job may be leased now."""
        state, fitting = self._state, float(most)
        growth, value = self._measure_growth(job), self._measure_value(job)
        if growth > 0:
            room = self._limit_bytes - state.spool_bytes - self._measure_expected()
            fitting = min(fitting, room / growth)
        elif value <= SMALL_BYTES:
            return most
        fitting = min(fitting, self._measure_disk_room() / value)
        if fitting >= 1:
            return int(fitting)
        return 0 if state.leases else self._fit_one(job, growth)

    def _fit_one(self, job: Job, growth: float) -> int:
        """Return whether a task may be leased although space is short, while nothing runs: 1 or
        0.
        """
        if not any(kept.result_bytes for kept in self._state.jobs.values()):
            return 1
        room = self._limit_bytes - self._state.spool_bytes + _measure_spent(job)
        value = self._measure_value(job) if job.mean_bytes is None else job.mean_bytes
        return 1 if growth <= room and value <= self._measure_disk_room() else 0

    def holds(self, job: Job) -> bool:
        """Return whether no task of a job may be leased now because space is short."""
        if self.fit(job, 1):
            return False
        held = self._state.held
        if job.spec.id not in held:
            if not self._state.leases:  # no running task will free space
                why = "" if any(held.values()) else self.explain(job)
                self._state.emit(WorkHeld(job.spec.id, why, job.submitted_by))
            held[job.spec.id] = not self._state.leases
        return True

    @property
    def held_because(self) -> str:
        """Why nothing runs although a worker requested waiting tasks; "" if that is not so."""
        is_held = self._state.held and not (self._state.leases or self.is_settling)
        return self.explain() if is_held else ""

    def require_room(self, job: Job | None = None, size_bytes: int = 0) -> None:
        """Raise SpoolFullError if inputs of this job, or a new job, have to wait for space.

        Raises JobStateError if waiting would be useless.
        """
        limit, kept = self._limit_bytes, self._state.spool_bytes
        if job and self._leaves_too_little(job, size_bytes):
            where = self._scratch or "the coordinator's spool"
            raise SpoolFullError(
                f"values of tasks need the rest of the room in {where}: there is room for more "
                "inputs when some tasks are done"
            )
        if kept < limit:
            return
        if job and self._is_full_of(job, limit):
            raise JobStateError(
                f"the results of job {job.spec.id} fill the coordinator's spool (--spool-limit "
                f"{limit} bytes) before its inputs are all there: raise the limit, or submit less "
                "at a time"
            )
        raise SpoolFullError(
            f"the coordinator's spool is full ({kept} of {limit} bytes): there is room again when "
            "tasks are done, and when results of jobs that have ended are dropped or expire"
        )

    def explain(self, job: Job | None = None) -> str:
        """Describe why no task of a job is leased, or for None of any job."""
        jobs = self._state.jobs
        example = job or jobs.get(next(iter(self._state.held), ""))
        lack = Lack(
            kept_bytes=self._state.spool_bytes,
            limit_bytes=self._limit_bytes,
            disk_bytes=self.disk_bytes,
            expected_bytes=self._measure_expected(),
            growth_bytes=self._measure_growth(example) if example else 0.0,
            value_bytes=self._measure_value(example) if example else 0.0,
            scratch=self._scratch,
        )
        return explain_lack(lack, job, jobs.values())

    def _leaves_too_little(self, job: Job, size_bytes: int) -> bool:
        """Return whether inputs of this size have to wait, so that there is space for the values of
        tasks whose inputs are there.
        """
        state = self._state
        if not (job.leased or self.is_settling or (job.waiting and self.fit(job, 1))):
            return False  # nothing is gained by waiting
        if self.disk_bytes - size_bytes < VALUES_LEFT * self._measure_value(job):
            return True
        share = self._limit_bytes * STREAMED_SHARE
        if state.spool_bytes < share or not (job.spec.owned or self._scratch):
            return False
        return state.spool_bytes - sum(one.result_bytes for one in state.jobs.values()) >= share

    def _is_full_of(self, job: Job, limit: float) -> bool:
        """Return whether a job whose inputs still arrive has filled the spool by itself."""
        if job.result_bytes >= limit:
            return True
        # Its client fetches nothing before all inputs are there, unless the job is owned.
        stuck = job.waiting > 0 and not job.leases and not self.fit(job, 1)
        return stuck and not job.spec.owned and job.spool_bytes >= limit

    def _measure_dropped(self) -> int:
        """Return how many bytes are no longer kept that this queue has accepted, or that it found
        in the store, which count as negative.
        """
        return self._state.written_bytes - self._state.spool_bytes

    def _measure_expected(self) -> int:
        """Return by how many bytes the outcomes of leased tasks are expected to increase the
        spool.
        """
        return int(self._state.expected_bytes + self._state.unknown_tasks * self._guess())

    def _measure_growth(self, job: Job) -> float:
        """Return by how many bytes a task of a job is expected to increase the spool."""
        return self._guess() if job.mean_bytes is None else job.measure_growth()

    def _measure_value(self, job: Job) -> float:
        """Return how large a value of a job may be, as far as is known, in bytes."""
        if job.mean_bytes is None:
            return job.measure_input() + self._guess()
        return max(1.0, job.most_bytes)

    def _measure_disk_room(self) -> float:
        """Return how many bytes of values the disk has space for besides those of leased tasks."""
        state = self._state
        return self.disk_bytes - state.value_bytes - state.unknown_tasks * self._guess()

    def _guess(self) -> float:
        """Return the size that is assumed for a value while none of its job is known, in bytes."""
        least = min(self._limit_bytes, self.disk_bytes)
        return max(1.0, min(UNKNOWN_BYTES, least * UNKNOWN_SHARE))


def _measure_spent(job: Job) -> int:
    """Return how many bytes are kept of inputs of a job whose tasks are done, because they were put
    together with inputs of others.
    """
    if not job.spec.carried:
        return 0
    spent: dict[int, int] = {}
    for start, stop in islice(job.done, SPENT_RUNS):
        for index in (start, stop - 1):
            for left, right, size in job.chunks.touching(index, index + 1):
                if not job.done.covers(left, right):
                    done = sum(b - a for a, b in job.done.overlap(left, right))
                    spent[left] = size * done // (right - left)
    return sum(spent.values())
