"""What the coordinator leases, as a batch for the pool; or why it is none.

A lease that makes no sense is the fault of its job alone: its tasks fail with the reason, and the
worker goes on. Where only some of its inputs are damaged, the other tasks are handed back: they are
leased again without those that failed.
"""

from __future__ import annotations

from headrace_wire.batch import count_batch, unpack_batch
from headrace_wire.messages import Lease, ReturnedSpan, TaskFailure
from headrace_worker.data import DataStore, read_needs
from headrace_worker.link.failure import MESSAGE_CHARACTERS, SUMMARY_CHARACTERS, clip
from headrace_worker.pool.batch import Batch, Event, make_failure

#: Tasks of one lease that are told one by one why they fail; of a larger one nothing is told, so
#: that it is as good as lost.
MOST_REFUSED = 100_000


class DamagedInputsError(ValueError):
    """Some inputs of a lease cannot be opened: those of the tasks ``indices``."""

    def __init__(self, indices: list[int], why: str) -> None:
        super().__init__(f"the input cannot be opened: {why}")
        self.indices = indices


def list_missing(parameters: bytes, data: DataStore) -> list[str]:
    """List the jobs whose data a job needs that is not here. Raises ValueError."""
    return [source for _, source in read_needs(parameters).data if source not in data]


def make_batch(lease: Lease, parameters: bytes, data: DataStore) -> Batch:
    """Open a lease. Raises ValueError, DamagedInputsError among them."""
    needs = read_needs(parameters)
    return Batch(
        key=lease.id,
        job=lease.job,
        service=lease.service,
        operation=lease.operation,
        parameters=parameters,
        start=lease.start,
        stop=lease.stop,
        attempt=lease.attempt,
        inputs=_open_inputs(lease) if lease.inputs else None,
        timeout_seconds=lease.timeout_seconds,
        tenant=needs.tenant,
        data=tuple((name, *data.locate(source)) for name, source in needs.data),
    )


def is_tellable(lease: Lease) -> bool:
    """Tell whether a lease names tasks, and not too many to be told one by one."""
    return 0 <= lease.start < lease.stop <= lease.start + MOST_REFUSED


def refuse_lease(lease: Lease, error: Exception) -> list[Event]:
    """The outcomes of the tasks of a lease that could not be taken up."""
    if not is_tellable(lease):
        return []
    if not isinstance(error, DamagedInputsError):
        return [_fail(lease, index, error) for index in range(lease.start, lease.stop)]
    events: list[Event] = []
    start = lease.start
    for index in [*error.indices, lease.stop]:
        if start < index:
            events.append(ReturnedSpan(lease.id, lease.job, start, index))
        if index < lease.stop:
            events.append(_fail(lease, index, error))
        start = index + 1
    return events


def _open_inputs(lease: Lease) -> tuple[bytes, ...]:
    items: list[bytes] = []
    damaged: list[int] = []
    why = ""
    for batch in lease.inputs:
        try:
            items += unpack_batch(batch)
        except ValueError as error:
            why = why or str(error)
            first, count = lease.start + len(items), _read_count(batch)
            if not 0 < count <= lease.stop - first:
                # Nobody can tell which of the tasks from here on it was meant for.
                count = max(0, lease.stop - first)
            damaged += range(first, first + count)
            items += [b""] * count
    if damaged:
        raise DamagedInputsError(damaged, why)
    return tuple(items)


def _read_count(batch: bytes) -> int:
    try:
        return count_batch(batch)
    except ValueError:
        return 0


def _fail(lease: Lease, index: int, error: Exception) -> TaskFailure:
    message = clip(f"the worker could not take it up: {error}", MESSAGE_CHARACTERS)
    kind = clip(type(error).__qualname__, SUMMARY_CHARACTERS)
    return make_failure(
        lease=lease.id,
        job=lease.job,
        index=index,
        attempt=lease.attempt,
        reason="error",
        error_type=kind,
        message=message,
    )
