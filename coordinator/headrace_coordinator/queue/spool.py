"""Whether there is space for inputs that arrive, and for results of tasks to be leased.

    put, submit ─► require_room ─► SpoolFullError, and the client waits
    lease ───────► fit ──────────► fewer tasks, or none; leased ones count with their expected size

A task whose value is not larger than its input frees space, and is always leased. If inputs alone
filled the spool, nothing would ever free space, so one task at a time is leased as long as no
results are kept that somebody could fetch.
"""

from __future__ import annotations

from math import inf

from headrace_coordinator.queue.events import WorkHeld
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.state import QueueState
from headrace_wire.errors import JobStateError, SpoolFullError

#: The size that is assumed for a value while none of its job is known, in bytes, and the largest
#: fraction of the limit that is assumed.
UNKNOWN_BYTES = 1 << 20
UNKNOWN_SHARE = 1 / 16


class Spool:
    """Decides what there is space for. If ``limit_bytes`` is None, only the disk limits it."""

    def __init__(self, state: QueueState, limit_bytes: int | None) -> None:
        self._state = state
        self._limit_bytes = inf if limit_bytes is None else limit_bytes
        self.disk_problem = ""
        self._disk_bytes = inf
        self._spool_bytes = 0

    def note_disk(self, free_bytes: float, problem: str = "") -> None:
        """Note how much space the disk has in addition to what is kept now.

        ``problem`` says why nothing can be written now.
        """
        if problem and not self.disk_problem:
            for job_id in [job_id for job_id, job in self._state.jobs.items() if not job.is_final]:
                self._state.emit(WorkHeld(job_id, ""))
        self.disk_problem = problem
        before, self._disk_bytes = self._disk_bytes, free_bytes
        self._spool_bytes = self._state.spool_bytes
        if free_bytes > before:
            self._state.end_hold()

    @property
    def disk_bytes(self) -> float:
        """The space on the disk in bytes, as far as is known."""
        return self._disk_bytes - max(0, self._state.spool_bytes - self._spool_bytes)

    def fit(self, job: Job, most: int) -> int:
        """Return how many of ``most`` tasks of a job may be leased now."""
        growth = self._guess() if job.mean_bytes is None else job.measure_growth()
        if growth <= 0:
            return most
        room = min(self._limit_bytes - self._state.spool_bytes, self.disk_bytes)
        room -= self._measure_expected()
        if growth <= room:
            return int(min(most, room / growth))
        keeps_results = any(kept.result_bytes for kept in self._state.jobs.values())
        return 0 if self._state.leases or keeps_results else 1

    def holds(self, job: Job) -> bool:
        """Return whether no task of a job may be leased now because space is short."""
        if self.fit(job, 1):
            return False
        held = self._state.held
        if job.spec.id not in held:
            if not self._state.leases:  # no running task will free space
                why = "" if any(held.values()) else self.explain()
                self._state.emit(WorkHeld(job.spec.id, why, job.submitted_by))
            held[job.spec.id] = not self._state.leases
        return True

    @property
    def held_because(self) -> str:
        """Why nothing runs although a worker requested waiting tasks; "" if that is not so."""
        return self.explain() if self._state.held and not self._state.leases else ""

    def require_room(self, job: Job | None = None) -> None:
        """Raise SpoolFullError if inputs, of this job, have to wait for space.

        Raises JobStateError if waiting would be useless.
        """
        limit, kept = self._limit_bytes, self._state.spool_bytes
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
            "tasks are done and results are fetched, deleted, or expire"
        )

    def explain(self) -> str:
        """Describe why nothing is leased."""
        limit, kept = self._limit_bytes, self._state.spool_bytes
        out = self._measure_expected()
        if limit - kept <= self.disk_bytes:
            expected = f", and {out} expected from what runs" if out else ""
            return (
                f"the coordinator's spool is full ({kept} of {limit} bytes{expected}): work goes "
                "on when results are fetched, deleted, or expire, or with a larger --spool-limit"
            )
        return (
            f"the coordinator's disk is full ({kept} bytes are kept for jobs): work goes on when "
            "there is room, as after `headrace delete` of a job"
        )

    def _is_full_of(self, job: Job, limit: float) -> bool:
        """Return whether a job whose inputs still arrive has filled the spool by itself."""
        if job.result_bytes >= limit:
            return True
        # Its client fetches nothing before all inputs are there, unless the job is owned.
        stuck = job.waiting > 0 and not job.leases and not self.fit(job, 1)
        return stuck and not job.spec.owned and job.spool_bytes >= limit

    def _measure_expected(self) -> int:
        """Return by how many bytes the outcomes of leased tasks are expected to increase the
        spool.
        """
        return int(self._state.expected_bytes + self._state.unknown_tasks * self._guess())

    def _guess(self) -> float:
        """Return the size that is assumed for a value while none of its job is known, in bytes."""
        least = min(self._limit_bytes, self.disk_bytes)
        return max(1.0, min(UNKNOWN_BYTES, least * UNKNOWN_SHARE))
