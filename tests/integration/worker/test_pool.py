"""What a pool makes of tasks: outcomes, time limits, large values, and what is known of them."""

from __future__ import annotations

import os
import signal
import time
from math import inf
from typing import TYPE_CHECKING

import pytest

from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan
from headrace_worker.pool import limits
from support.pool_driver import (
    PATIENCE_SECONDS,
    Outcomes,
    attend,
    collect,
    every_start_method,
    make_batch,
    run,
    wait_for_lines,
    warm_up,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.polled_pool import Pool

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@every_start_method
def test_every_task_has_exactly_one_outcome(pool: Pool) -> None:
    inputs = [b"%d" % index for index in range(3000)]
    outcomes = run(
        pool,
        make_batch("echo", 3000, inputs=inputs),
        make_batch("noop", range(50, 1050), job="other"),
        make_batch("act", 20, job="some fail", acts={"raise": ([3, 4, 19], "no")}),
    )
    assert outcomes.values.keys() >= {("job", index) for index in range(3000)}
    assert all(outcomes.values[("job", index)] == [inputs[index]] for index in range(3000))
    assert outcomes.indices("other") == list(range(50, 1050))
    assert outcomes.indices("some fail") == list(range(20))
    assert sorted(failed.index for failed in outcomes.failed("some fail")) == [3, 4, 19]


def test_short_tasks_travel_by_hundreds(pool: Pool) -> None:
    run(pool, make_batch("noop", 100))
    outcomes = run(pool, make_batch("noop", 20_000))
    assert outcomes.indices() == list(range(20_000))
    assert len(outcomes.done) < 2000


def test_both_slots_work_at_once(pool: Pool, tmp_path: Path) -> None:
    """Two long tasks of an unknown job go to two slots: each waits here for the other's start."""
    marks = tmp_path / "marks"
    release = tmp_path / "release"
    pool.submit(make_batch(tasks=2, mark=([], str(marks)), wait=([], str(release))))
    assert len(set(wait_for_lines(pool, marks, 2))) == 2
    release.touch()
    assert collect(pool).indices() == [0, 1]


def test_an_exception_is_an_error_with_its_traceback(pool: Pool) -> None:
    outcomes = run(pool, make_batch(tasks=3, attempt=2, acts={"raise": ([1], "no such thing:")}))
    (failed,) = outcomes.failed()
    assert (failed.reason, failed.error_type, failed.message, failed.index, failed.attempt) == (
        "error",
        "ValueError",
        "no such thing: 1",
        1,
        2,
    )
    assert "_fail" in failed.traceback
    assert "headrace_worker" not in failed.traceback
    assert failed.summary == "act 1"
    assert failed.signal == ""
    assert outcomes.indices() == [0, 1, 2]


def test_sys_exit_in_a_task_is_only_an_error(pool: Pool) -> None:
    before = pool.stats()
    outcomes = run(pool, make_batch(tasks=2, acts={"sys.exit": ([0], 3)}))
    (failed,) = outcomes.failed()
    assert (failed.reason, failed.error_type, failed.message) == ("error", "SystemExit", "3")
    assert [slot.pid for slot in pool.stats()] == [slot.pid for slot in before]


@pytest.mark.parametrize(("value", "name"), [(None, "NoneType"), ("text", "str"), (7, "int")])
def test_a_result_that_is_no_bytes_is_an_error_that_names_its_type(
    pool: Pool, value: object, name: str
) -> None:
    outcomes = run(pool, make_batch(tasks=2, acts={"return": ([1], value)}))
    (failed,) = outcomes.failed()
    assert (failed.index, failed.reason, failed.error_type) == (1, "error", "TypeError")
    assert name in failed.message


def test_a_service_that_cannot_prepare_fails_each_task(pool: Pool) -> None:
    outcomes = run(pool, make_batch("broken", 5), make_batch("noop", 1, job="other"))
    assert sum(bool(failed.traceback) for failed in outcomes.failed()) >= 1
    assert {failed.message for failed in outcomes.failed()} == {"the probe is broken"}
    assert outcomes.indices() == list(range(5))
    assert outcomes.indices("other") == [0]


def test_an_unknown_service_fails_each_task(pool: Pool) -> None:
    outcomes = run(pool, make_batch("noop", 3, service="nonsense"))
    assert {failed.error_type for failed in outcomes.failed()} == {"LookupError"}
    assert outcomes.indices() == [0, 1, 2]


@every_start_method
def test_a_time_limit_kills_the_one_slot_that_overran(pool: Pool, tmp_path: Path) -> None:
    release = tmp_path / "release"
    bystander = make_batch("act", 1, job="bystander", wait=([], str(release)))
    pool.submit(bystander)
    pool.submit(make_batch(tasks=4, timeout_seconds=0.3, sleep=([2], 60)))
    outcomes = collect(pool, until=lambda: pool.outstanding == {bystander.key})
    (failed,) = outcomes.failed()
    assert (failed.index, failed.reason) == (2, "timeout")
    assert "0.3 s" in failed.message
    assert failed.summary == "act 2"
    assert 0.3 <= failed.busy_seconds < 10
    release.touch()
    collect(pool, outcomes)
    assert outcomes.indices() == [0, 1, 2, 3]
    assert outcomes.indices("bystander") == [0]
    assert len(outcomes.failures) == 1


def test_a_time_limit_is_for_each_task_and_not_for_the_batch(pool: Pool) -> None:
    outcomes = run(pool, make_batch(tasks=12, timeout_seconds=0.4, sleep=([], 0.1)))
    assert outcomes.indices() == list(range(12))
    assert not outcomes.failures


def test_preparing_a_job_does_not_count_as_its_first_task(pool: Pool) -> None:
    outcomes = run(pool, make_batch("slow to prepare", 2, timeout_seconds=0.1, seconds=0.4))
    assert outcomes.indices() == [0, 1]
    assert not outcomes.failures


def test_a_service_that_never_gets_ready_is_a_timeout(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PREPARE_SECONDS", 0.3)
    outcomes = run(pool, make_batch("slow to prepare", 1, timeout_seconds=0.1, seconds=60))
    assert [failed.reason for failed in outcomes.failed()] == ["timeout"]


def test_large_payloads_travel_both_ways_at_once(pool: Pool) -> None:
    inputs = [os.urandom(1 << 10) * (8 << 10) for _ in range(6)]
    outcomes = run(pool, make_batch("echo", 6, inputs=inputs))
    assert [outcomes.values[("job", index)] for index in range(6)] == [[one] for one in inputs]


def test_many_middling_payloads_do_not_block_either_side(pool: Pool) -> None:
    inputs = [bytes([index % 256]) * (40 << 10) for index in range(500)]
    outcomes = run(pool, make_batch("echo", 500, inputs=inputs))
    assert [outcomes.values[("job", index)] for index in range(500)] == [[one] for one in inputs]


def test_a_stopped_slot_with_a_large_input_does_not_hold_up_the_pool(pool: Pool) -> None:
    warm_up(pool)
    stopped = pool.stats()[0].pid
    os.kill(stopped, signal.SIGSTOP)
    large = make_batch("echo", 1, job="large", inputs=[bytes(8 << 20)])
    pool.submit(large)
    pool.submit(make_batch("noop", 50))
    outcomes = collect(pool, until=lambda: pool.outstanding == {large.key})
    assert outcomes.indices() == list(range(50))
    os.kill(stopped, signal.SIGCONT)
    assert collect(pool).values[("large", 0)] == [bytes(8 << 20)]


def test_what_waits_behind_a_long_task_runs_elsewhere(pool: Pool, tmp_path: Path) -> None:
    """All tasks look short until one of them isn't."""
    release = tmp_path / "release"
    run(pool, make_batch("act", 2000))
    pool.submit(make_batch(tasks=range(2000, 4000), wait=([2100], str(release))))
    outcomes = Outcomes()
    collect(pool, outcomes, until=lambda: len(outcomes.indices()) == 1999)
    assert pool.pending_tasks == 0
    release.touch()
    assert collect(pool, outcomes).indices() == list(range(2000, 4000))


def test_a_result_does_not_wait_for_the_long_task_after_it(
    make_pool: Callable[..., Pool], tmp_path: Path
) -> None:
    pool = make_pool(1)
    release = tmp_path / "release"
    run(pool, make_batch("act", 2000))
    pool.submit(make_batch(tasks=range(2000, 2100), wait=([2003], str(release))))
    outcomes = Outcomes()
    collect(pool, outcomes, until=lambda: len(outcomes.indices()) == 3)
    assert outcomes.indices() == [2000, 2001, 2002]
    release.touch()
    assert collect(pool, outcomes).indices() == list(range(2000, 2100))


def test_nothing_is_due_in_a_pool_that_has_nothing_to_do(pool: Pool) -> None:
    attend(pool, make_batch(tasks=4, timeout_seconds=30.0))
    warm_up(pool)
    pool.poll(0)
    assert pool.due_seconds == inf


def test_poll_returns_when_its_time_is_over(pool: Pool) -> None:
    began = time.monotonic()
    assert pool.poll(0.05) == []
    assert 0.05 <= time.monotonic() - began < 5


def test_what_is_pending_is_known_in_tasks_and_seconds(
    make_pool: Callable[..., Pool], tmp_path: Path
) -> None:
    pool = make_pool(1)
    marks, release = tmp_path / "marks", tmp_path / "release"
    assert (pool.pending_tasks, pool.pending_seconds) == (0, 0.0)
    assert (pool.slots, pool.busy_slots, pool.idle_slots) == (1, 0, 1)
    pool.submit(make_batch(tasks=3, mark=([], str(marks)), wait=([], str(release))))
    wait_for_lines(pool, marks, 1)
    assert (pool.pending_tasks, pool.pending_seconds) == (2, None)
    assert (pool.busy_slots, pool.idle_slots) == (1, 0)
    (usage,) = pool.read_usage().values()
    assert usage.rss_bytes > 0
    (running,) = pool.list_running(10)
    assert (running.index, running.attempt, running.worker) == (0, 1, "")
    assert running.rss_bytes == usage.rss_bytes
    assert running.seconds < 60.0
    release.touch()
    collect(pool)
    pool.submit(make_batch(tasks=range(3, 13), sleep=([], 0.1)))
    assert pool.pending_seconds is not None


def test_cpu_and_busy_seconds_are_counted(pool: Pool) -> None:
    outcomes = run(pool, make_batch("act", 3, sleep=([], 0.05)))
    busy = sum(done.busy_seconds for done in outcomes.done)
    assert 0.15 <= busy < 5
    assert sum(done.cpu_seconds for done in outcomes.done) < busy


def test_each_task_of_a_run_counts_by_its_own_time(pool: Pool) -> None:
    outcomes = run(pool, make_batch("act", 200))
    assert any(done.stop - done.start > 1 for done in outcomes.done)
    for done in outcomes.done:
        tasks = done.stop - done.start
        assert sum(done.durations) == (tasks if tasks > 1 else 0)


def test_a_job_that_a_slot_has_forgotten_is_sent_again(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(1)
    for _ in range(2):
        for number in range(20):
            outcomes = run(pool, make_batch("act", 2, job=f"job {number}"))
            assert outcomes.indices(f"job {number}") == [0, 1]


def test_events_tell_their_batch(pool: Pool) -> None:
    batch = make_batch(tasks=2, acts={"raise": ([1], "no")})
    pool.submit(batch)
    events = []
    while pool.outstanding:
        events += pool.poll(PATIENCE_SECONDS)
    assert {type(event) for event in events} == {DoneSpan, TaskFailure}
    assert {event.lease for event in events} == {batch.key}


def test_the_same_batch_twice_is_refused(pool: Pool) -> None:
    batch = make_batch(tasks=1, sleep=([], 60))
    pool.submit(batch)
    with pytest.raises(ValueError, match="already held"):
        pool.submit(batch)
