"""What people are told when nothing can be leased for lack of room."""

from __future__ import annotations

import re

import pytest

from headrace_coordinator.queue.rules import Rules
from support.queue_builders import Rig
from support.spool_work import finish, work


@pytest.fixture
def rig() -> Rig:
    made = Rig(Rules(spool_limit_bytes=100))
    made.join()
    return made


def fill(rig: Rig, *jobs: str) -> None:
    """Fill the spool with results of jobs that go on."""
    for job in jobs:
        rig.submit(job, tasks=100)
    work(rig, 10)


def test_a_job_that_fills_the_spool_by_itself_is_told_what_helps(rig: Rig) -> None:
    fill(rig, "job")
    why = rig.status().waiting_for
    assert re.match(
        r"the coordinator's spool is full \(\d+ of 100 bytes\): the results of this job, ", why
    )
    assert "about 1" in why
    assert "kept until it ends: start the coordinator again with a larger --spool-limit" in why
    assert "or cancel or delete the job" in why
    assert "dropped" not in why
    assert "with results of a job that has not ended" in rig.queue.spool.held_because


def test_jobs_of_which_none_can_end_are_told_so(rig: Rig) -> None:
    rig.submit("first", tasks=100)
    for _ in range(2):
        (lease,) = rig.lease(slots=1)
        finish(rig, lease, 10)
    rig.submit("second", tasks=100, priority=1)
    work(rig, 10)
    for job in ("first", "second"):
        why = rig.status(job).waiting_for
        assert "with results of 2 jobs that have not ended: " in why
        assert "cancel or delete one of them" in why
    assert "with results of 2 jobs" in rig.queue.spool.held_because
    rig.queue.intake.delete("first")
    assert rig.lease()


def test_a_job_that_others_keep_waiting_is_told_so(rig: Rig) -> None:
    fill(rig, "first")
    rig.queue.intake.cancel("first", rig.now)
    rig.submit("job", tasks=5)
    assert not rig.lease()
    why = rig.status("job").waiting_for
    assert "work goes on when jobs that have ended are deleted or expire" in why
    assert "`headrace results ID --drop`" in why


def test_a_program_with_a_coordinator_of_its_own_is_told_where_there_is_no_room() -> None:
    rig = Rig(Rules(spool_limit_bytes=100, scratch="/mnt/small"))
    rig.join()
    fill(rig, "job")
    why = rig.status().waiting_for
    assert "inputs and results do not fit into /mnt/small: " in why
    assert "set TMPDIR to a folder on a larger disk" in why
    assert "--spool-limit" not in why
    assert "delete" not in why
    assert rig.queue.spool.held_because
