"""What a worker holds: its leases until their outcomes are acknowledged, and their jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from headrace_wire.messages.leases import Lease
from headrace_wire.messages.spans import HeldSpan

#: Jobs whose parameters are kept, so that the coordinator need not send them again.
JOBS_KEPT = 256


class Holdings:
    """Leases and jobs of this worker, or what another one ``held``. Not thread safe."""

    def __init__(self, held: Iterable[HeldSpan] = ()) -> None:
        #: Each lease as it was granted, and how many of its tasks have no acknowledged outcome.
        self._leases = {run.lease: (run, run.stop - run.start) for run in held}
        #: The newest lease of each job whose parameters are kept: tasks may still log when theirs
        #: is over.
        self._newest: dict[str, HeldSpan] = {}
        self._parameters: OrderedDict[str, bytes] = OrderedDict()
        #: Of the jobs that are traced, beneath which spans.
        self._traces: dict[str, str] = {}
        #: The number of the last lease request, and those that have no answer yet.
        self._asked = 0
        self._open: set[int] = set()

    def ask(self) -> int:
        """Return the number of a new lease request."""
        self._asked += 1
        self._open.add(self._asked)
        return self._asked

    def give_up(self) -> None:
        """Note that no answer is waited for any more."""
        self._open.clear()

    def take(self, leases: Iterable[Lease], request: int) -> None:
        """Note what a lease request was answered with."""
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
        """Drop all leases of a job: it was cancelled."""
        for run in self.runs():
            if run.job == job:
                del self._leases[run.lease]

    def find_parameters(self, job: str) -> bytes:
        """The parameters of a job. Raises ValueError where they never came, or too long ago."""
        if job not in self._parameters:
            raise ValueError("the lease came without the parameters of its job")
        return self._parameters[job]

    def find_attempt(self, lease: int) -> int:
        """Which attempt a lease is; 1 where it is not held any more."""
        return self._leases[lease][0].attempt if lease in self._leases else 1

    def find_traces(self, jobs: Iterable[str]) -> list[str]:
        """The spans beneath which these jobs are traced, each once."""
        if not self._traces:
            return []
        return list(dict.fromkeys(self._traces[job] for job in jobs if job in self._traces))

    def known_jobs(self) -> tuple[str, ...]:
        return tuple(self._parameters)

    def runs(self) -> tuple[HeldSpan, ...]:
        """What is held, as it was granted."""
        return tuple(run for run, _ in self._leases.values())

    def find_granted(self, leases: Iterable[int], jobs: Iterable[str]) -> tuple[HeldSpan, ...]:
        """These leases as they were granted, as far as they are held, and of other jobs the newest
        one that there was.
        """
        found = [self._leases[one][0] for one in dict.fromkeys(leases) if one in self._leases]
        others = set(jobs).difference(run.job for run in found)
        found += [self._newest[job] for job in sorted(others) if job in self._newest]
        return tuple(found)

    def snapshot(self) -> tuple[int, tuple[int, ...]]:
        """The last lease request up to which all are answered, and what is held."""
        return min(self._open, default=self._asked + 1) - 1, tuple(self._leases)
