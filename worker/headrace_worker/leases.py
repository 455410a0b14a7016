"""Turns a lease of the coordinator into a batch for the pool, or into failures.

An invalid lease affects only its job: its tasks fail with the reason, and the worker goes on.
"""

from __future__ import annotations

from headrace_wire.batch import unpack_batch
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.leases import Lease
from headrace_worker.data import DataStore, read_needs
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.pool.batch import Batch

#: If a lease has at most this many tasks, the failure of each is reported. For a larger one nothing
#: is reported, so that it is treated as lost.
MOST_REFUSED = 100_000


def list_missing(parameters: bytes, data: DataStore) -> list[str]:
    """Return the jobs whose data is needed and not here. Raises ValueError."""
    return [source for _, source in read_needs(parameters).data if source not in data]


def make_batch(lease: Lease, parameters: bytes, data: DataStore) -> Batch:
    """Make a batch of a lease. Raises ValueError."""
    needs = read_needs(parameters)
    # The coordinator checked the batches when they arrived, and their checksums just now.
    inputs = [item for batch in lease.inputs for item in unpack_batch(batch)]
    return Batch(
        key=lease.id,
        job=lease.job,
        service=lease.service,
        operation=lease.operation,
        parameters=parameters,
        start=lease.start,
        stop=lease.stop,
        attempt=lease.attempt,
        inputs=tuple(inputs) if lease.inputs else None,
        timeout_seconds=lease.timeout_seconds,
        token=lease.token,
        trace=lease.trace,
        tenant=needs.tenant,
        data=tuple((name, *data.locate(source)) for name, source in needs.data),
    )


def is_tellable(lease: Lease) -> bool:
    """Return whether a lease has tasks, and not too many to report each one."""
    return 0 <= lease.start < lease.stop <= lease.start + MOST_REFUSED


def refuse_lease(lease: Lease, error: Exception) -> list[TaskFailure]:
    """Return the outcomes of the tasks of a refused lease."""
    if not is_tellable(lease):
        return []
    message = clip(f"the worker could not take it up: {error}", MESSAGE_CHARACTERS)
    kind = clip(type(error).__qualname__, SUMMARY_CHARACTERS)
    return [
        TaskFailure(
            lease=lease.id,
            job=lease.job,
            index=index,
            attempt=lease.attempt,
            reason="error",
            error_type=kind,
            message=message,
        )
        for index in range(lease.start, lease.stop)
    ]
