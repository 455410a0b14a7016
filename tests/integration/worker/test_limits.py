"""Every time limit, in every state that a slot can be in."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire.messages.failures import INITIALIZER_TIMEOUT
from headrace_worker.pool import limits, slot_process, supervisor
from headrace_worker.pool import pool as pool_module
from headrace_worker.slot import slot
from support.pool_driver import Outcomes, attend, collect, every_start_method, make_batch
from support.pool_probe_service import stop_at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headrace_worker.pool.batch import Batch
    from support.polled_pool import Pool

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

#: What nothing in these tests waits for.
FOR_EVER = 3600


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    return make_pool(1)


@pytest.fixture
def warm(pool: Pool) -> Pool:
    """A pool whose slot is between two tasks of a job that it has prepared."""
    assert attend(pool, make_batch()).indices() == [0]
    return pool


def overrunning(**options: object) -> Batch:
    return make_batch(timeout_seconds=0.2, sleep=([], FOR_EVER), **options)  # type: ignore[arg-type]


def assert_timed_out(outcomes: Outcomes, *indices: int) -> None:
    assert [(one.index, one.reason) for one in outcomes.failed()] == [
        (index, "timeout") for index in indices
    ]


def freeze(pool: Pool) -> None:
    (stats,) = pool.stats()
    os.kill(stats.pid, signal.SIGSTOP)


@every_start_method
def test_the_first_task_of_a_fresh_slot_is_held_to_its_limit(pool: Pool) -> None:
    assert_timed_out(attend(pool, overrunning()), 0)


def test_a_task_whose_job_was_prepared_for_it_is_held_to_its_limit(pool: Pool) -> None:
    batch = make_batch(
        "prepare and act",
        timeout_seconds=0.2,
        acts={"prepare": {"sleep": ([], 0.5)}, "act": {"sleep": ([], FOR_EVER)}},
    )
    outcomes = attend(pool, batch)
    assert_timed_out(outcomes, 0)
    assert outcomes.failed()[0].busy_seconds < 10


def test_a_task_in_a_slot_that_knows_its_job_is_held_to_its_limit(warm: Pool) -> None:
    slots = warm.stats()
    assert_timed_out(attend(warm, overrunning(job="job")), 0)
    assert warm.stats() != slots


def test_a_task_that_was_sent_with_others_is_held_to_its_limit(warm: Pool) -> None:
    outcomes = attend(warm, make_batch(tasks=50, timeout_seconds=0.2, sleep=([40], FOR_EVER)))
    assert_timed_out(outcomes, 40)
    assert outcomes.indices() == list(range(50))


@every_start_method
def test_tasks_in_slots_that_have_just_been_replaced_are_held_to_their_limit(pool: Pool) -> None:
    batch = make_batch(tasks=3, timeout_seconds=0.2, sleep=([], FOR_EVER))
    assert_timed_out(attend(pool, batch), 0, 1, 2)


@every_start_method
def test_a_task_that_freezes_its_slot_is_held_to_its_limit(pool: Pool) -> None:
    batch = make_batch(timeout_seconds=0.2, kill=([], int(signal.SIGSTOP)))
    assert_timed_out(attend(pool, batch), 0)


def test_what_a_task_fails_with_is_put_into_words_within_its_limit(pool: Pool) -> None:
    batch = make_batch(timeout_seconds=0.2, acts={"raise slowly": ([], FOR_EVER)})
    assert_timed_out(attend(pool, batch), 0)


@pytest.mark.parametrize("act", [("sleep", FOR_EVER), ("kill", int(signal.SIGSTOP))])
def test_preparing_a_job_has_a_limit_of_its_own(
    warm: Pool, monkeypatch: pytest.MonkeyPatch, act: tuple[str, int]
) -> None:
    monkeypatch.setattr(limits, "PREPARE_SECONDS", 0.3)
    batch = make_batch(
        "prepare and act",
        timeout_seconds=0.2,
        job="other",
        acts={"prepare": {act[0]: ([], act[1])}, "act": {}},
    )
    (failed,) = attend(warm, batch).failed("other")
    assert failed.reason == "timeout"
    assert "still being prepared" in failed.message


@pytest.mark.parametrize("act", [("sleep", FOR_EVER), ("kill", int(signal.SIGSTOP))])
def test_an_initializer_has_the_limit_of_a_task(pool: Pool, act: tuple[str, int]) -> None:
    batch = make_batch(
        "prepare and act",
        timeout_seconds=0.3,
        acts={"prepare": {}, "initialize": {act[0]: ([], act[1])}, "act": {}},
    )
    (failed,) = attend(pool, batch).failed()
    assert (failed.reason, failed.error_type) == ("timeout", INITIALIZER_TIMEOUT)
    assert "the initializer ran longer than its limit of 0.3 s" in failed.message


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (("os._exit", 3), "in the initializer, the slot exited: exit status 3"),
        (("kill", int(signal.SIGKILL)), "in the initializer, the slot was killed by SIGKILL"),
    ],
)
def test_a_slot_that_dies_in_an_initializer_says_so(
    pool: Pool, act: tuple[str, int], told: str
) -> None:
    acts: dict[str, Any] = {"prepare": {}, "initialize": {act[0]: ([], act[1])}, "act": {}}
    (failed,) = attend(pool, make_batch("prepare and act", acts=acts)).failed()
    assert (failed.reason, failed.message) == ("crash", told)


def test_what_prepares_an_initializer_does_not_count(pool: Pool) -> None:
    batch = make_batch(
        "prepare and act",
        timeout_seconds=0.5,
        acts={"initialize": {"sleep": ([], 0.1)}, "prepare": {"sleep": ([], 0.1)}, "act": {}},
    )
    assert not attend(pool, batch).failed()


@pytest.mark.parametrize("seconds", [5e-324, 1e-9])
def test_a_limit_that_nothing_can_keep_is_a_timeout_for_each_task(
    pool: Pool, seconds: float
) -> None:
    batch = make_batch(tasks=2, timeout_seconds=seconds, sleep=([], FOR_EVER))
    assert_timed_out(attend(pool, batch), 0, 1)


@pytest.mark.parametrize("seconds", [1e308, float("inf")])
def test_a_limit_beyond_all_time_is_none(pool: Pool, seconds: float) -> None:
    outcomes = attend(pool, make_batch(tasks=2, timeout_seconds=seconds, sleep=([], 0.05)))
    assert outcomes.indices() == [0, 1]
    assert not outcomes.failures
    assert pool.poll(1e308 if pool.outstanding else 0) == []


def test_a_slot_that_is_frozen_between_tasks_is_replaced_and_its_task_runs_elsewhere(
    warm: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INACTIVE_SECONDS", 0.3)
    monkeypatch.setattr(limits, "INACTIVE_LOOK_SECONDS", 0.1)
    freeze(warm)
    outcomes = attend(warm, make_batch(tasks=3, timeout_seconds=20))
    assert outcomes.indices() == [0, 1, 2]
    assert not outcomes.failures
    assert warm.take_restarts() == {"mute": 1}


@every_start_method
def test_a_slot_that_is_frozen_before_it_is_ready_is_replaced(
    make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "START_SECONDS", 0.5)
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(slot_process, "run_slot", stop_at_once)
    pool = make_pool(1)
    monkeypatch.setattr(slot_process, "run_slot", slot.run_slot)
    monkeypatch.setattr(limits, "START_SECONDS", 20)
    pool._supervisor.slots[0].started_seconds -= 20
    assert attend(pool, make_batch()).indices() == [0]
    assert pool.take_restarts() == {"start": 1}


@every_start_method
def test_a_slot_that_says_that_it_exits_and_does_not_is_ended(
    make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MUTE_SECONDS", 0.2)
    pool = make_pool(1, max_tasks=1)
    outcomes = attend(pool, make_batch(tasks=3, linger=([], FOR_EVER)))
    assert outcomes.indices() == [0, 1, 2]
    assert not outcomes.failures


@pytest.mark.parametrize("state", ["fresh", "preparing", "running", "frozen", "frozen in a task"])
def test_a_job_that_is_cancelled_makes_room_at_once_whatever_its_slot_does(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(limits, "INACTIVE_SECONDS", 0.3)
    monkeypatch.setattr(limits, "INACTIVE_LOOK_SECONDS", 0.1)
    started = tmp_path / "started"
    act: dict[str, object] = {"mark": ([], str(started)), "sleep": ([], FOR_EVER)}
    if state == "frozen in a task":
        act = {"mark": ([], str(started)), "kill": ([], int(signal.SIGSTOP))}
    parts = {"prepare": act, "act": {}} if state == "preparing" else {"prepare": {}, "act": act}
    if state == "frozen":
        attend(pool, make_batch())
        freeze(pool)
    pool.submit(make_batch("prepare and act", 3, job="cancelled", acts=parts))
    if state not in ("fresh", "frozen"):
        collect(pool, until=started.exists)
    began = time.monotonic()
    pool.cancel("cancelled")
    outcomes = attend(pool, make_batch(tasks=2, job="next"))
    assert outcomes.indices("next") == [0, 1]
    assert not outcomes.indices("cancelled")
    assert time.monotonic() - began < pool_module.CANCEL_GRACE_SECONDS + 10
