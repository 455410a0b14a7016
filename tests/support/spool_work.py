"""Workers of a queue whose values are of a known size."""

from __future__ import annotations

from headrace_coordinator.queue.held_lease import HeldLease
from headrace_wire.batch import pack_batch
from headrace_wire.messages.reports import DoneSpan
from support.queue_builders import Rig
from support.queue_invariants import check_invariants


def finish(rig: Rig, lease: HeldLease, size: int) -> None:
    """Report values of this many bytes, each."""
    values = pack_batch([bytes(size)] * (lease.stop - lease.start))
    run = DoneSpan(lease.id, lease.job, lease.start, lease.stop, values, 0.1, 0.1)
    assert rig.report(lease.worker, done=(run,)).accepted == lease.stop - lease.start
    check_invariants(rig.queue.state)


def work(rig: Rig, size: int) -> None:
    while leases := rig.lease():
        for lease in leases:
            finish(rig, lease, size)
