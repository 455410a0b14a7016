"""Dead tasks run again, and retries rest in between."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import MomentSet
from headrace_coordinator.queue.retries import compute_pause_seconds
from headrace_wire.errors import JobStateError, UsageError
from headrace_wire.messages.failures import CRASH, ERROR, OOM
from headrace_wire.messages.jobs import FAILED, QUEUED, RUNNING, SUCCEEDED
from support.queue_builders import Rig, make_spec
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.join(slots=10)
    return made


def fail_some(rig: Rig, tasks: int, bad: set[int]) -> None:
    rig.submit(tasks=tasks)
    while leases := rig.lease(slots=10):
        for lease in leases:
            for index in range(lease.start, lease.stop):
                if index in bad:
                    rig.fail(lease, index)
                else:
                    rig.finish(lease, index, index + 1)


def test_chosen_dead_tasks_run_again_and_the_others_stay_dead(rig: Rig) -> None:
    fail_some(rig, 10, {2, 5, 6})
    assert rig.status().state == FAILED
    rig.replay("job", (2, 6))
    check_invariants(rig.queue.state)
    assert (rig.status().failed, rig.status().waiting) == (1, 2)
    again = [index for lease in rig.lease() for index in range(lease.start, lease.stop)]
    assert again == [2, 6]


def test_all_dead_tasks_run_again_when_none_is_named(rig: Rig) -> None:
    fail_some(rig, 10, {2, 5})
    rig.replay("job", ())
    for lease in rig.lease():
        assert lease.attempt == 1
        rig.finish(lease)
    assert rig.status().state == SUCCEEDED


class Watch(Rig):
    """Times for people go on with the others, as they do as long as nobody sets the clock."""

    @property
    def now(self) -> Now:
        return Now(self.seconds, 1e6 + self.seconds)


@pytest.mark.parametrize("how", ["replay", "retry"])
def test_the_time_between_an_end_and_another_run_is_not_counted(how: str) -> None:
    rig = Watch()
    rig.join(slots=10)
    rig.seconds = 10.0
    rig.submit(tasks=10, retries=0)
    rig.seconds = 12.0
    for lease in rig.lease(slots=10):
        started_at = rig.now.at
        rig.seconds = 15.0
        rig.finish(lease, 0, 9)
        rig.fail(lease, 9)
    ended = rig.status()
    assert (ended.started_at, ended.finished_at, ended.wall_seconds) == (
        started_at, rig.now.at, 5.0
    )  # fmt: skip
    assert (ended.done_per_second, ended.speed) == (None, 9 / 5)
    rig.seconds = 1000.0
    again = rig.replay() if how == "replay" else rig.retry()
    assert (again.state, again.started_at, again.finished_at) == (QUEUED, started_at, None)
    assert again.wall_seconds == 5.0
    rig.seconds = 1003.0
    (lease,) = rig.lease()
    assert (rig.status().state, rig.status().started_at) == (RUNNING, started_at)
    assert rig.status().done_per_second is None, "what was done before its end is not of late"
    rig.seconds = 1004.0
    rig.finish(lease)
    ended = rig.status()
    assert (ended.state, ended.started_at, ended.wall_seconds) == (SUCCEEDED, started_at, 9.0)


def test_the_speed_and_the_time_left_are_those_of_late(rig: Rig) -> None:
    rig.submit(tasks=100, retries=0)
    (lease,) = rig.lease(slots=10)
    before = rig.status()
    assert (before.state, before.done_per_second, before.left_seconds) == (RUNNING, None, None)
    for index in range(lease.start, lease.start + 4):
        rig.seconds += 2.0
        rig.finish(lease, index, index + 1)
    rig.fail(lease, lease.start + 4)
    status = rig.status()
    assert status.speed == status.done_per_second == 0.5, "those that failed do not count"
    assert status.left_seconds == (100 - 4 - 1) / 0.5
    waiting = replace(status, waiting_for="no worker is connected")
    assert (waiting.speed, waiting.left_seconds) == (0.5, None), "nothing runs"


def test_a_running_job_can_be_replayed(rig: Rig) -> None:
    rig.submit(tasks=20)
    (lease,) = rig.lease(slots=10)
    rig.fail(lease, 3)
    rig.replay("job", (3,))
    check_invariants(rig.queue.state)
    assert (rig.status().state, rig.status().failed) == (RUNNING, 0)


def test_a_task_that_is_not_dead_is_refused_by_number(rig: Rig) -> None:
    fail_some(rig, 10, {2})
    with pytest.raises(UsageError, match="task 3 of job job is not dead"):
        rig.replay("job", (2, 3))
    assert rig.status().failed == 1


def test_of_a_job_that_was_cut_short_all_that_is_left_is_retried(rig: Rig) -> None:
    rig.submit(tasks=20)
    (lease,) = rig.lease(slots=10)
    rig.fail(lease, 3)
    rig.queue.intake.cancel("job", rig.now)
    with pytest.raises(JobStateError, match="headrace retry job"):
        rig.replay("job", ())


def test_a_replay_of_delivered_results_gives_the_new_ones_alone(rig: Rig) -> None:
    fail_some(rig, 10, {2})
    rig.queue.intake.acknowledge("job")
    rig.replay("job", ())
    job = rig.queue.state.find("job")
    assert list(job.dropped) == [(0, 2), (3, 10)]
    assert job.results_kept


def test_pauses_double_and_are_spread() -> None:
    spec = make_spec(retry_delay_seconds=2.0)
    for attempt, longest in ((1, 2.0), (2, 4.0), (3, 8.0), (9, 30.0)):
        pauses = [compute_pause_seconds(spec, attempt, index, ERROR) for index in range(100)]
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert len({round(pause / longest, 2) for pause in pauses}) > 30


def test_a_long_delay_is_never_shortened() -> None:
    spec = make_spec(retry_delay_seconds=300.0)
    assert compute_pause_seconds(spec, 5, 0, ERROR) >= 150.0


def test_after_a_crash_there_is_no_pause_but_memory_needs_one() -> None:
    assert compute_pause_seconds(make_spec(), 1, 0, CRASH) == 0.0
    assert compute_pause_seconds(make_spec(), 1, 0, OOM) > 0.0


def test_the_ticker_is_told_when_the_next_pause_is_over(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=2, retries=3, retry_delay_seconds=2.0)
    (lease,) = rig.lease()
    rig.fail(lease, lease.start)
    (moment,) = [event for event in rig.queue.state.drain_events() if isinstance(event, MomentSet)]
    assert moment.moment == rig.queue.state.find("job").delayed.first()[0]
