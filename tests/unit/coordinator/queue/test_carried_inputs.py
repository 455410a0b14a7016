"""Jobs that carry their inputs: put piece by piece, sealed, leased with tasks, and dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.queue.client_requests import ABANDONED_SECONDS
from headrace_coordinator.queue.events import InputsDropped
from headrace_wire.errors import JobStateError, UnknownJobError
from headrace_wire.messages.jobs import RUNNING, SUCCEEDED
from support.queue_invariants import check_invariants

if TYPE_CHECKING:
    from support.queue_builders import Rig


def test_carried_inputs_are_leased_as_they_come_and_end_with_the_seal(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=None)
    assert rig.put("job", 0, [b"a", b"b"]) == 2
    rig.run_to_end()
    assert rig.status().state == RUNNING
    assert rig.put("job", 2, [b"c"]) == 3
    rig.queue.intake.seal("job", 3, rig.now)
    rig.run_to_end()
    assert rig.status().state == SUCCEEDED


def test_a_repeated_put_changes_nothing_and_a_gap_is_refused(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a", b"b"])
    assert rig.put("job", 0, [b"a", b"b"]) == 2
    with pytest.raises(JobStateError, match="none can begin at 5"):
        rig.put("job", 5, [b"c"])


def test_sealing_with_another_number_of_tasks_is_refused(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a"])
    with pytest.raises(JobStateError, match="has 1 task, not 2"):
        rig.queue.intake.seal("job", 2, rig.now)


def test_inputs_are_dropped_when_all_tasks_of_their_chunk_are_done(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=None)
    rig.put("job", 0, [b"a", b"b"])
    size_bytes = rig.queue.state.spool_bytes
    (lease,) = rig.lease()
    rig.finish(lease, 0, 1)
    assert not any(isinstance(e, InputsDropped) for e in rig.queue.state.drain_events())
    rig.finish(lease, 1, 2)
    (dropped,) = [e for e in rig.queue.state.drain_events() if isinstance(e, InputsDropped)]
    assert dropped == InputsDropped("job", 0, size_bytes)


def test_a_grant_holds_no_more_inputs_than_its_bytes(rig: Rig) -> None:
    rig.join(slots=64)
    rig.submit(tasks=None)
    for index in range(8):
        rig.put("job", index, [bytes(6 << 20)])
    leases = rig.lease(slots=64)
    assert sum(lease.stop - lease.start for lease in leases) in (2, 3)
    check_invariants(rig.queue.state)


def test_an_unsealed_job_whose_client_is_silent_is_forgotten(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.seconds = ABANDONED_SECONDS - 1
    rig.put("job", 0, [b"a"])
    rig.seconds += ABANDONED_SECONDS - 1
    rig.queue.tick(rig.now)
    assert rig.status().tasks == 1
    rig.seconds += 2
    rig.queue.tick(rig.now)
    with pytest.raises(UnknownJobError):
        rig.status()
