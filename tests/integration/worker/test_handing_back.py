"""Tasks that a pool does not finish: cancelled, handed back, or left at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil
import pytest

from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan
from support.polled_pool import Pool
from support.pool_driver import (
    PATIENCE_SECONDS,
    Outcomes,
    collect,
    every_start_method,
    make_batch,
    run,
    wait_for_lines,
)
from support.pool_probe_service import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from headrace_worker.pool.batch import Event

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def test_a_cancelled_job_is_killed_and_forgotten(pool: Pool, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    pool.submit(make_batch(tasks=30, job="doomed", mark=([], str(marks)), sleep=([], 60)))
    pool.submit(make_batch("noop", 20))
    pids = wait_for_lines(pool, marks, 2)
    pool.cancel("doomed")
    outcomes = collect(pool)
    assert outcomes.indices() == list(range(20))
    assert outcomes.indices("doomed") == []
    collect(pool, until=lambda: not {slot.pid for slot in pool.stats()} & set(pids))
    assert len(marks.read_text().splitlines()) == 2


def test_cancelling_leaves_other_jobs_in_the_same_slot_alone(
    make_pool: Callable[..., Pool], tmp_path: Path
) -> None:
    pool = make_pool(1)
    run(pool, make_batch("act", 2000), make_batch("noop", 100, job="doomed"))
    release = tmp_path / "release"
    pool.submit(make_batch(tasks=3, wait=([1], str(release))))
    pool.submit(make_batch("noop", 50, job="doomed"))
    outcomes = Outcomes()
    collect(pool, outcomes, until=lambda: len(outcomes.indices()) == 1)
    pool.cancel("doomed")
    release.touch()
    collect(pool, outcomes)
    assert outcomes.indices() == [0, 1, 2]
    assert outcomes.indices("doomed") == []
    assert not outcomes.failures


def test_one_task_is_stopped_and_the_others_go_on(
    make_pool: Callable[..., Pool], tmp_path: Path
) -> None:
    pool = make_pool(1)
    pool.submit(make_batch(tasks=4, wait=([1], str(tmp_path / "never"))))
    collect(pool, Outcomes(), until=lambda: pool.pending_tasks == 2)
    for job, index in (("job", 3), ("job", 1), ("job", 99), ("nonesuch", 0)):
        pool.cancel_task(job, index)
    events: list[Event] = []
    while pool.outstanding:
        events += pool.poll(PATIENCE_SECONDS)
    failed = [event.index for event in events if isinstance(event, TaskFailure)]
    returned = [event.start for event in events if isinstance(event, ReturnedSpan)]
    done = [event.start for event in events if isinstance(event, DoneSpan)]
    assert (failed, returned, done[-1]) == ([1], [3], 2)


def test_hand_back_returns_all_that_has_not_started(pool: Pool, tmp_path: Path) -> None:
    marks, release = tmp_path / "marks", tmp_path / "release"
    run(pool, make_batch("act", 2000))  # short, so some wait in the slots' own lines
    batch = make_batch(tasks=1000, mark=([], str(marks)), wait=([], str(release)))
    pool.submit(batch)
    wait_for_lines(pool, marks, 2)
    returned = pool.hand_back()
    assert pool.pending_tasks == 0
    release.touch()
    outcomes = collect(pool)
    back = [index for one in returned for index in range(one.start, one.stop)]
    assert {(one.lease, one.job) for one in returned} == {(batch.key, "job")}
    assert sorted(back + outcomes.indices()) == list(range(1000))
    assert len(outcomes.indices()) == 2
    assert len(marks.read_text().splitlines()) == 2


def test_hand_back_may_keep_what_is_next(pool: Pool, tmp_path: Path) -> None:
    release = tmp_path / "release"
    pool.submit(make_batch(tasks=1000, wait=([0, 1], str(release))))
    (returned,) = pool.hand_back(keep=pool.pending_tasks - 10)
    assert (returned.start, returned.stop) == (990, 1000)
    release.touch()
    assert collect(pool).indices() == list(range(990))


def test_hand_back_over_and_over_runs_each_task_once(pool: Pool, tmp_path: Path) -> None:
    """Whatever moment it strikes, a task is either given back or run here, never both."""
    marks = tmp_path / "marks"
    marks.touch()
    run(pool, make_batch("act", 2000))
    outcomes = Outcomes()
    waiting = [range(3000)]
    rounds = 0
    while waiting or pool.outstanding:
        for indices in waiting:
            pool.submit(make_batch(tasks=indices, mark=([], str(marks)), sleep=([], 0.0001)))
        waiting.clear()
        outcomes.add(pool.poll(0))
        rounds += 1
        if rounds < 200:
            waiting = [range(one.start, one.stop) for one in pool.hand_back()]
    assert rounds > 5
    assert outcomes.indices() == list(range(3000))
    assert sorted(int(line.split()[0]) for line in marks.read_text().splitlines()) == list(
        range(3000)
    )


@every_start_method
def test_close_gives_back_what_has_no_outcome(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool()
    pool.submit(make_batch(tasks=10, sleep=([], 60)))
    (returned,) = pool.close(kill=True)
    assert (returned.job, returned.start, returned.stop) == ("job", 0, 10)
    with pytest.raises(ValueError, match="closed"):
        pool.take_events()


@every_start_method
def test_a_gentle_close_lets_a_running_task_finish(
    make_pool: Callable[..., Pool], tmp_path: Path
) -> None:
    pool = make_pool()
    first, second = tmp_path / "first", tmp_path / "second"
    pool.submit(make_batch(tasks=1, mark=([], str(first)), sleep=([], 0.3)))
    wait_for_lines(pool, first, 1)
    pool.submit(make_batch(tasks=1, job="other", sleep=([], 0.3), mark=([], str(second))))
    wait_for_lines(pool, second, 1)
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 4


@every_start_method
def test_close_leaves_no_process_and_no_file(start_method: str) -> None:
    with Pool(2, start_method, loader=LOADER) as warm:
        run(warm, make_batch("noop", 5))  # what is opened once for all is open by now
    process = psutil.Process()
    children, files = set(process.children(recursive=True)), process.num_fds()
    with Pool(3, start_method, loader=LOADER) as pool:
        run(
            pool, make_batch("noop", 100), make_batch(tasks=4, job="2", acts={"os._exit": ([1], 1)})
        )
        helpers = 1 if start_method == "forkserver" else 0
        assert len(set(process.children(recursive=True)) - children) == 3 + helpers
    assert set(process.children(recursive=True)) <= children
    assert process.num_fds() <= files, "fewer, if garbage was collected meanwhile"
