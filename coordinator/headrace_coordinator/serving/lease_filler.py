"""Adds to a lease what its worker needs: parameters, inputs, and the token of the job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Sequence

from headrace_coordinator.checksums import DamagedError
from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.store.need import RELIEF
from headrace_wire.log_format import about
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.leases import Lease

log = logging.getLogger(__name__)


class LeaseFiller:
    """Turns granted leases into what is sent to their worker.

    ``make_token`` makes the token with which tasks of a job call the coordinator, if they may.
    """

    def __init__(self, ledger: Ledger, make_token: Callable[[str], str] | None) -> None:
        self._ledger = ledger
        self._make_token = make_token

    async def fill(
        self, granted: Sequence[tuple[HeldLease, JobSpec]], known_jobs: Container[str]
    ) -> tuple[Lease, ...]:
        """Add inputs, and the parameters of jobs that the worker does not know.

        Inputs are read outside of the ledger's lock. A lease whose inputs are damaged, or were
        deleted meanwhile, is left out, because it no longer exists.
        """
        filled: list[Lease] = []
        for lease, spec in granted:
            inputs = await self._read_inputs(lease) if spec.carried else ()
            if inputs is None:
                continue
            filled.append(
                Lease(
                    id=lease.id,
                    job=lease.job,
                    service=spec.service,
                    operation=spec.operation,
                    parameters=None if lease.job in known_jobs else spec.parameters,
                    start=lease.start,
                    stop=lease.stop,
                    attempt=lease.attempt,
                    timeout_seconds=spec.timeout_seconds,
                    inputs=inputs,
                    token=self._make_token(lease.job) if self._make_token else "",
                    trace=spec.trace,
                    proof=lease.proof,
                )
            )
        return tuple(filled)

    async def _read_inputs(self, lease: HeldLease) -> tuple[bytes, ...] | None:
        try:
            return self._ledger.store.reader.read_inputs(lease.job, lease.start, lease.stop)
        except DamagedError as error:
            lost = error
        extra = about(lost.job, lost.start)
        log.error("job %s: the input of task %d %s", lost.job, lost.start, lost.reason, extra=extra)
        await self._ledger.commit(
            lambda queue, now: queue.outcomes.lose_inputs(lease.id, lost, now), RELIEF
        )
        return None
