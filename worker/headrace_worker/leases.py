"""What the coordinator leases, as a batch for the pool; or why it is none.

A lease that makes no sense is the fault of its job alone: its tasks fail with the reason, and the
worker goes on.
"""

from __future__ import annotations

from headrace_wire.batch import unpack_batch
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.leases import Lease
from headrace_worker.data import DataStore, read_needs
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.pool.batch import Batch

#: Tasks of one lease that are told one by one why they fail; of a larger one nothing is told, so
#: that it is as good as lost.
MOST_REFUSED = 100_000


def list_missing(parameters: bytes, data: DataStore) -> list[str]:
    """List the jobs whose data a job needs that is not here. Raises ValueError."""
    return [source for _, source in read_needs(parameters).data if source not in data]


def make_batch(lease: Lease, parameters: bytes, data: DataStore) -> Batch:
    """Open a lease. Raises ValueError."""
    needs = read_needs(parameters)
    # The coordinator has checked the batches when they came, and their checksums just now.
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
    """Tell whether a lease names tasks, and not too many to be told one by one."""
    return 0 <= lease.start < lease.stop <= lease.start + MOST_REFUSED


def refuse_lease(lease: Lease, error: Exception) -> list[TaskFailure]:
    """The outcomes of the tasks of a lease that could not be taken up."""
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
