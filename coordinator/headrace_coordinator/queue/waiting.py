"""Explains to people why tasks of jobs wait."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.members import Member
from headrace_coordinator.queue.spool import Spool
from headrace_coordinator.queue.state import QueueState
from headrace_coordinator.queue.unschedulable import Need, explain_unschedulable, find_need
from headrace_wire.messages.jobs import JobSpec

#: How many different reasons of workers are reported.
MAX_REASONS = 3


class Waiting:
    """Explains jobs at one point in time; what the workers can do is determined once for all of
    them.
    """

    def __init__(self, state: QueueState, spool: Spool) -> None:
        self._state = state
        self._spool = spool
        self._members = state.members.values()
        self._unable: dict[Need, str] = {}
        self._slotless: dict[Need, str] = {}

    def explain(self, job: Job) -> str:
        """Return what a job waits for, "" if only for its turn."""
        if self._spool.disk_problem and not job.is_final:
            return self._spool.disk_problem
        if job.is_final:
            return ""
        if job.leases:
            return self._explain_held(job)
        if not job.waiting:
            return ""
        if job.keeps_data:
            return "it keeps data for other jobs"
        if not self._members:
            return "no worker is connected"
        if why := self._explain_unable(job.spec):
            return why
        if self._spool.fit(job, 1) == 0:
            return "" if self._spool.is_settling else self._spool.explain(job)
        # Those of another cluster have none while it has no processes, or cannot be reached.
        if why := self._explain_slotless(job.spec):
            return why
        return "every slot is busy with other jobs" if self._is_busy else ""

    def _explain_unable(self, spec: JobSpec) -> str:
        need = find_need(spec)
        if need not in self._unable:
            self._unable[need] = explain_unschedulable(spec, self._members)
        return self._unable[need]

    def _explain_held(self, job: Job) -> str:
        """Return why none of the tasks that workers hold is running; "" if some may be."""
        holders = (self._state.members[lease.worker] for lease in job.leases.values())
        return _explain_no_slots("the workers that hold its tasks", holders)

    def _explain_slotless(self, spec: JobSpec) -> str:
        need = find_need(spec)
        if need not in self._slotless:
            capable = (member for member in self._members if member.may_run(spec))
            self._slotless[need] = _explain_no_slots(
                "the connected workers that can do it", capable
            )
        return self._slotless[need]

    @cached_property
    def _is_busy(self) -> bool:
        return sum(len(member.leases) for member in self._members) >= self._state.slots


def _explain_no_slots(whose: str, members: Iterable[Member]) -> str:
    """Return why these workers have no slots, as they report it; "" if one has slots."""
    reasons: dict[str, None] = {}
    for member in members:
        if member.info.slots:
            return ""
        reasons[member.info.slots_limit] = None
    listed = "; ".join(list(reasons)[:MAX_REASONS])
    return f"{whose} have no slots at present: {listed}"
