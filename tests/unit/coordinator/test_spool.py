"""How much the coordinator keeps for jobs, and what happens when that is too much."""

from __future__ import annotations

import pytest

from headrace_coordinator.invariants import check_invariants
from headrace_coordinator.rules import Rules
from headrace_wire.bounds import MAX_PARAMETER_BYTES
from headrace_wire.errors import JobStateError, SpoolFullError, UsageError
from support.queue_builders import Rig


@pytest.fixture
def rig() -> Rig:
    made = Rig(Rules(spool_limit_bytes=100))
    made.join()
    return made


def test_a_full_spool_takes_no_more_inputs_until_tasks_are_done(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(60)])
    rig.put("job", 1, [bytes(60)])
    with pytest.raises(SpoolFullError, match="of 100 bytes"):
        rig.put("job", 2, [bytes(60)])
    (lease,) = rig.lease(slots=1)
    rig.finish(lease)
    assert rig.put("job", 2, [bytes(60)]) == 3
    check_invariants(rig.queue.state)


def test_a_repeated_put_is_answered_though_the_spool_is_full(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(200)])
    assert rig.put("job", 0, [bytes(200)]) == 1


def test_a_full_spool_takes_no_new_job_but_knows_the_old_ones(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(200)])
    with pytest.raises(SpoolFullError):
        rig.submit("other", tasks=5)
    rig.submit(tasks=None)


def test_acknowledging_and_deleting_make_room(rig: Rig) -> None:
    rig.submit(tasks=200)
    while leases := rig.lease():
        for lease in leases:
            rig.finish(lease)
    assert rig.queue.state.spool_bytes > 100
    rig.queue.intake.acknowledge("job")
    assert rig.queue.state.spool_bytes == 0
    rig.submit("other", tasks=None)
    rig.put("other", 0, [bytes(200)])
    rig.queue.intake.delete("other")
    assert rig.queue.state.spool_bytes == 0


def test_a_job_whose_own_results_fill_the_spool_is_told_so(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"x"] * 60)
    while leases := rig.lease():
        for lease in leases:
            rig.finish(lease)
    with pytest.raises(JobStateError, match=r"fill the coordinator's spool .*--spool-limit"):
        rig.put("job", 60, [b"x"])


def test_reports_are_taken_in_however_full_the_spool_is(rig: Rig) -> None:
    rig.submit("first", tasks=100)
    rig.submit("second", tasks=100)
    while leases := rig.lease():
        for lease in leases:
            assert rig.finish(lease).accepted == lease.stop - lease.start
    assert rig.status("second").done == 100


def test_parameters_stay_in_memory_and_are_small(rig: Rig) -> None:
    with pytest.raises(UsageError, match="carry what is larger in its inputs"):
        rig.submit(parameters=bytes(MAX_PARAMETER_BYTES + 1))
