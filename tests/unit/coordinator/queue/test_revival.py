"""Many failed and cancelled tasks run again some at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_coordinator.queue.delayed import Delayed
from headrace_wire.errors import JobStateError, UsageError
from headrace_wire.messages.jobs import CANCELLED, FAILED, RUNNING, SUCCEEDED
from support.queue_builders import Rig
from support.queue_invariants import check_invariants

TASKS = 40


def make_rig(bad: set[int], done: int = TASKS, *, cancel: bool = False) -> Rig:
    """A job whose first tasks are done, or dead where they are bad, and that has ended."""
    rig = Rig()
    rig.join(slots=10)
    rig.submit(tasks=TASKS)
    finished = 0
    while finished < done:
        for lease in rig.lease(slots=10):
            for index in range(lease.start, lease.stop):
                finished += 1
                if index in bad:
                    rig.fail(lease, index)
                elif index < done:
                    rig.finish(lease, index, index + 1)
    if cancel:
        rig.queue.intake.cancel("job", rig.now)
    return rig


def find_places(rig: Rig) -> tuple[object, ...]:
    job = rig.queue.state.find("job")
    return list(job.fresh), list(job.done), list(job.dead), list(job.withdrawn), job.state


@given(st.sets(st.integers(0, TASKS - 1)), st.integers(1, 50))
def test_a_replay_in_parts_is_a_replay(bad: set[int], most: int) -> None:
    rig, whole = make_rig(bad), make_rig(bad)
    start, left = 0, len(bad)
    while (after := rig.queue.revival.replay("job", None, start, rig.now, most)) is not None:
        assert start < after
        assert left - rig.status().failed == most
        start, left = after, rig.status().failed
    assert left <= most
    whole.replay()
    assert find_places(rig) == find_places(whole)
    check_invariants(rig.queue.state)


@given(st.sets(st.integers(0, TASKS - 1)), st.integers(0, TASKS), st.integers(1, 50))
def test_a_retry_in_parts_is_a_retry(bad: set[int], done: int, most: int) -> None:
    rig, whole = make_rig(bad, done, cancel=True), make_rig(bad, done, cancel=True)
    start = 0
    while (after := rig.queue.revival.retry("job", start, rig.now, most)) is not None:
        assert start < after
        start = after
    whole.retry()
    assert find_places(rig) == find_places(whole)
    check_invariants(rig.queue.state)


def test_a_job_does_not_end_between_the_parts_of_its_replay() -> None:
    rig = make_rig({3, 30})
    start = rig.queue.revival.replay("job", None, 0, rig.now, 1)
    assert start == 4
    (lease,) = rig.lease()
    rig.finish(lease)
    assert (rig.status().state, rig.status().failed) == (RUNNING, 1)
    rig.queue.revival.replay("job", None, start, rig.now)
    (lease,) = rig.lease()
    rig.finish(lease)
    assert rig.status().state == SUCCEEDED


def test_a_replay_that_is_broken_off_lets_its_job_end() -> None:
    rig = make_rig({3, 30})
    rig.queue.revival.replay("job", None, 0, rig.now, 1)
    (lease,) = rig.lease()
    rig.finish(lease)
    rig.queue.revival.abandon("job", rig.now)
    rig.queue.revival.abandon("job", rig.now)  # and once more
    assert (rig.status().state, rig.status().failed) == (FAILED, 1)


def test_a_retry_that_is_broken_off_leaves_a_cancelled_job_that_can_be_retried() -> None:
    rig = make_rig({3, 30}, done=20, cancel=True)
    rig.queue.revival.retry("job", 0, rig.now, 1)
    rig.queue.revival.abandon("job", rig.now)
    assert rig.status().state == CANCELLED
    check_invariants(rig.queue.state)
    rig.retry()
    check_invariants(rig.queue.state)
    rig.run_to_end()
    assert rig.status().state == SUCCEEDED


def test_a_job_that_is_cancelled_meanwhile_stays_so() -> None:
    rig = make_rig({3, 30})
    rig.queue.revival.replay("job", None, 0, rig.now, 1)
    rig.queue.intake.cancel("job", rig.now)
    with pytest.raises(JobStateError, match="job job is cancelled"):
        rig.queue.revival.replay("job", None, 4, rig.now)
    with pytest.raises(JobStateError, match="while its tasks were revived"):
        rig.retry()
    rig.queue.revival.abandon("job", rig.now)
    assert (rig.status().state, rig.status().failed) == (CANCELLED, 1)
    rig.retry()
    check_invariants(rig.queue.state)


def test_what_another_queue_has_begun_is_not_gone_on_with() -> None:
    rig = make_rig({3, 30}, done=20)
    with pytest.raises(JobStateError, match="before all of its tasks were revived"):
        rig.queue.revival.replay("job", None, 4, rig.now)
    check_invariants(rig.queue.state)


def test_nothing_is_replayed_when_one_of_the_named_is_not_dead() -> None:
    rig = make_rig({3, 30})
    for index in (4, TASKS, 1 << 62):
        with pytest.raises(UsageError, match=f"task {index} of job job is not dead"):
            rig.queue.revival.require_dead("job", (3, index))


def test_while_all_is_retried_nothing_is_replayed() -> None:
    rig = make_rig({3, 30})
    rig.queue.revival.retry("job", 0, rig.now, 1)
    with pytest.raises(JobStateError, match="just being retried"):
        rig.replay()


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20)), max_size=20),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=5),
)
def test_pauses_end_in_their_order(
    pauses: list[tuple[float, int]], removed: list[tuple[int, int]]
) -> None:
    delayed = Delayed()
    model = {}
    for moment, index in pauses:
        if index not in model:
            delayed.add(moment, index, 1)
            model[index] = moment
    for start, length in removed:
        delayed.remove(start, start + length)
        model = {index: own for index, own in model.items() if not start <= index < start + length}
    assert len(delayed) == len(model)
    popped = [delayed.pop() for _ in model]
    assert popped == sorted((moment, index, 1) for index, moment in model.items())
    assert not delayed
