"""What a worker holds: its leases until their outcomes are acknowledged, and their jobs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from headrace_wire.messages import HeldSpan, Lease

#: Jobs whose parameters are kept, so that the coordinator need not send them again.
JOBS_KEPT = 256


class Holdings:
    """Leases and jobs of this worker. Not thread safe."""

    def __init__(self) -> None:
        self._runs: dict[int, HeldSpan] = {}
        #: How many tasks of each lease have no outcome that is acknowledged.
        self._left: dict[int, int] = {}
        self._parameters: OrderedDict[str, bytes] = OrderedDict()
        self._answered = 0

    def take(self, leases: Iterable[Lease], request: int) -> None:
        """Note what a lease request was answered with."""
        for lease in leases:
            self._left[lease.id] = lease.stop - lease.start
            self._runs[lease.id] = HeldSpan(
                lease.id, lease.job, lease.start, lease.stop, lease.attempt, request
            )
            if lease.parameters is not None:
                self._parameters[lease.job] = lease.parameters
            if lease.job in self._parameters:
                self._parameters.move_to_end(lease.job)
        held = {run.job for run in self._runs.values()}
        for job in list(self._parameters)[:-JOBS_KEPT]:
            if job not in held:
                del self._parameters[job]
        self._answered = request

    def release(self, lease: int, tasks: int) -> None:
        """Note that the outcomes of this many tasks of a lease are acknowledged."""
        left = self._left.get(lease, 0) - tasks
        if left > 0:
            self._left[lease] = left
        else:
            self._drop(lease)

    def forget_job(self, job: str) -> None:
        """Drop all leases of a job: it was cancelled."""
        for lease in [lease for lease, run in self._runs.items() if run.job == job]:
            self._drop(lease)

    def find_parameters(self, job: str) -> bytes:
        """The parameters of a job. Raises ValueError where they never came, or too long ago."""
        if job not in self._parameters:
            raise ValueError("the lease came without the parameters of its job")
        return self._parameters[job]

    def find_attempt(self, lease: int) -> int:
        """Which attempt a lease is; 1 where it is not held any more."""
        run = self._runs.get(lease)
        return run.attempt if run else 1

    def known_jobs(self) -> tuple[str, ...]:
        return tuple(self._parameters)

    def runs(self) -> tuple[HeldSpan, ...]:
        """What is held, as it was granted."""
        return tuple(self._runs.values())

    def snapshot(self) -> tuple[int, tuple[int, ...]]:
        """The last answered lease request, and what is held."""
        return self._answered, tuple(self._left)

    def _drop(self, lease: int) -> None:
        self._left.pop(lease, None)
        self._runs.pop(lease, None)
