"""What a worker holds: its leases until their outcomes are acknowledged, and their jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from headrace_wire.messages.leases import Lease
from headrace_wire.messages.spans import HeldSpan

#: The number of jobs whose parameters are kept, so that the coordinator need not send them again.
JOBS_KEPT = 256


class Holdings:
    """Leases and jobs of this worker, or the leases that another worker ``held``. Not
    thread-safe.
    """

    def __init__(self, held: Iterable[HeldSpan] = ()) -> None:
        #: Each lease as it was granted, and how many of its tasks have no acknowledged outcome.
        self._leases = {run.lease: (run, run.stop - run.start) for run in held}
        #: The newest lease of each job whose parameters are kept, because tasks may still log when
        #: their own lease has ended.
        self._newest: dict[str, HeldSpan] = {}
        self._parameters: OrderedDict[str, bytes] = OrderedDict()
        #: The tracing spans of traced jobs, under which their tasks are recorded.
        self._traces: dict[str, str] = {}
        #: The number of the last lease request, and the numbers of those without an answer.
        self._asked = 0
        self._open: set[int] = set()

    def ask(self) -> int:
        """Return the number of a new lease request."""
        self._asked += 1
        self._open.add(self._asked)
        return self._asked

    def give_up(self) -> None:
        """Note that no more answers are expected."""
        self._open.clear()

    def take(self, leases: Iterable[Lease], request: int) -> None:
        """Record the leases in the answer to a lease request."""
        for lease in leases:
            start, stop = lease.start, lease.stop
            run = HeldSpan(lease.id, lease.job, start, stop, lease.attempt, request, lease.proof)
            self._leases[lease.id] = run, stop - start
            if lease.trace:
                self._traces[lease.job] = lease.trace
            if lease.parameters is not None:
                self._parameters[lease.job] = lease.parameters
            if lease.job in self._parameters:
                self._parameters.move_to_end(lease.job)
                self._newest[lease.job] = run
        held = {run.job for run in self.runs()}
        for job in list(self._parameters)[:-JOBS_KEPT]:
            if job not in held:
                del self._parameters[job]
                self._newest.pop(job, None)
        if self._traces:
            self._traces = {job: trace for job, trace in self._traces.items() if job in held}
        self._open.discard(request)

    def release(self, lease: int, tasks: int) -> None:
        """Note that the outcomes of this many tasks of a lease are acknowledged."""
        if lease in self._leases:
            run, left = self._leases.pop(lease)
            if left > tasks:
                self._leases[lease] = run, left - tasks

    def forget_job(self, job: str) -> None:
        """Remove all leases of a job that was cancelled."""
        for run in self.runs():
            if run.job == job:
                del self._leases[run.lease]

    def find_parameters(self, job: str) -> bytes:
        """Return the parameters of a job. Raises ValueError if they never arrived, or too long
        ago.
        """
        if job not in self._parameters:
            raise ValueError("the lease came without the parameters of its job")
        return self._parameters[job]

    def find_attempt(self, lease: int) -> int:
        """Return the attempt of a lease; 1 if it is not held any more."""
        return self._leases[lease][0].attempt if lease in self._leases else 1

    def find_traces(self, jobs: Iterable[str]) -> list[str]:
        """Return the tracing spans of these jobs, each once."""
        if not self._traces:
            return []
        return list(dict.fromkeys(self._traces[job] for job in jobs if job in self._traces))

    def known_jobs(self) -> tuple[str, ...]:
        return tuple(self._parameters)

    def runs(self) -> tuple[HeldSpan, ...]:
        """Return the held leases as they were granted."""
        return tuple(run for run, _ in self._leases.values())

    def find_granted(self, leases: Iterable[int], jobs: Iterable[str]) -> tuple[HeldSpan, ...]:
        """Return those of these leases that are held, as they were granted, and for each other job
        the newest lease that was held.
        """
        found = [self._leases[one][0] for one in dict.fromkeys(leases) if one in self._leases]
        others = set(jobs).difference(run.job for run in found)
        found += [self._newest[job] for job in sorted(others) if job in self._newest]
        return tuple(found)

    def snapshot(self) -> tuple[int, tuple[int, ...]]:
        """Return the last lease request up to which all are answered, and the held leases."""
        return min(self._open, default=self._asked + 1) - 1, tuple(self._leases)
