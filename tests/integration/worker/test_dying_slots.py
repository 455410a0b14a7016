"""Slots that a task or somebody else ends: one task is charged, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from headrace_worker.machine.oom import OomWatch
from headrace_worker.pool import limits
from support.pool_driver import (
    PATIENCE_SECONDS,
    Outcomes,
    collect,
    every_start_method,
    make_batch,
    run,
    wait_for_lines,
    warm_up,
)

if TYPE_CHECKING:
    from pathlib import Path

    from support.polled_pool import Pool


# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@every_start_method
@pytest.mark.parametrize(
    ("act", "argument", "signal_name", "message"),
    [
        ("segfault", None, "SIGSEGV", "SIGSEGV"),
        ("kill", int(signal.SIGKILL), "SIGKILL", "SIGKILL"),
        ("kill", int(signal.SIGTERM), "SIGTERM", "SIGTERM"),
        ("os._exit", 3, "", "exit status 3"),
        ("os._exit", 0, "", "exit status 0"),
    ],
)
def test_a_task_that_takes_its_slot_with_it_is_charged_alone(
    pool: Pool, act: str, argument: object, signal_name: str, message: str
) -> None:
    run(pool, make_batch("act", 100))  # the job is known as short: many go to a slot at once
    outcomes = run(pool, make_batch(tasks=40, attempt=3, acts={act: ([17], argument)}, job="job 2"))
    (failed,) = outcomes.failed("job 2")
    assert (failed.index, failed.reason, failed.signal, failed.attempt) == (
        17,
        "crash",
        signal_name,
        3,
    )
    assert message in failed.message
    assert failed.summary == "act 17"
    assert outcomes.indices("job 2") == list(range(40))


@every_start_method
def test_kill_9_of_a_busy_slot_charges_exactly_the_task_that_ran(
    pool: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marks = tmp_path / "marks"
    outcomes = run(pool, make_batch("act", 200))
    pool.submit(make_batch(tasks=range(200, 300), mark=([250], str(marks)), sleep=([250], 3600)))
    (pid,) = wait_for_lines(pool, marks, 1, outcomes)
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    collect(pool, outcomes)
    (failed,) = outcomes.failed()
    assert (failed.index, failed.reason, failed.signal) == (250, "crash", "SIGKILL")
    assert outcomes.indices() == list(range(300))
    assert time.monotonic() - killed < 5
    (said,) = [record for record in caplog.records if "is replaced" in record.message]
    assert said.levelname == "WARNING"
    assert re.fullmatch(
        rf"slot \d+ \(process {pid}\), which ran task 250 of job job, is replaced: "
        "the slot was killed by SIGKILL",
        said.message,
    )
    assert (vars(said)["job"], vars(said)["task"]) == ("job", 250)


@every_start_method
def test_kill_9_of_all_idle_slots_harms_nothing(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    warm_up(pool)
    for slot in pool.stats():
        os.kill(slot.pid, signal.SIGKILL)
    outcomes = run(pool, make_batch("noop", 2000, job="after"))
    assert outcomes.indices("after") == list(range(2000))
    assert not outcomes.failures
    restarts = pool.take_restarts()
    while sum(restarts.values()) < 2:
        pool.poll(PATIENCE_SECONDS)
        restarts += pool.take_restarts()
    assert restarts == {"crash": 2}
    said = [line.partition("which")[2] for line in caplog.messages if "is replaced" in line]
    assert said == [" ran no task, is replaced: the slot was killed by SIGKILL"] * 2


@every_start_method
def test_tasks_that_were_sent_to_a_slot_that_dies_idle_run_elsewhere(pool: Pool) -> None:
    """The slot is stopped before it is sent anything, so it dies with everything unread."""
    warm_up(pool)
    run(pool, make_batch("act", 100))
    stopped = pool.stats()[0].pid
    os.kill(stopped, signal.SIGSTOP)
    pool.submit(make_batch(tasks=range(100, 200)))
    outcomes = collect(pool, until=lambda: pool.busy_slots == 1 and pool.pending_tasks != 100)
    os.kill(stopped, signal.SIGKILL)
    collect(pool, outcomes)
    assert outcomes.indices() == list(range(100, 200))
    assert not outcomes.failures


def test_a_slot_that_exits_while_it_prepares_charges_one_task_each_time(pool: Pool) -> None:
    outcomes = run(pool, make_batch("exit", 4))
    assert {failed.message for failed in outcomes.failed()} == {"the slot exited: exit status 5"}
    assert outcomes.indices() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("start_method", "kills"),
    [("forkserver", 40), ("fork", 20), ("spawn", 6)],  # spawning takes six times as long
    indirect=["start_method"],
)
def test_kills_during_4000_tasks_lose_and_repeat_nothing(
    pool: Pool, tmp_path: Path, kills: int
) -> None:
    """Each task marks its start: one that ran twice must have lost its slot in between."""
    marks = tmp_path / "marks"
    marks.touch()
    randomness = random.Random(4)
    outcomes = Outcomes()
    pool.submit(make_batch(tasks=4000, mark=([], str(marks)), sleep=([], 0.0002)))
    killed = 0
    end = time.monotonic() + PATIENCE_SECONDS
    while pool.outstanding:
        assert time.monotonic() < end
        outcomes.add(pool.poll(0.05))
        if killed < kills and len(outcomes.indices()) > killed * 60:
            pids = [slot.pid for slot in pool.stats() if slot.busy]
            if pids:
                with contextlib.suppress(ProcessLookupError):  # killed before, and not yet seen
                    os.kill(randomness.choice(pids), signal.SIGKILL)
                    killed += 1
    assert killed == kills
    assert outcomes.indices() == list(range(4000))
    charged = outcomes.failed()
    assert len(charged) <= kills
    assert {(failed.reason, failed.signal) for failed in charged} <= {("crash", "SIGKILL")}
    started = [int(line.split()[0]) for line in marks.read_text().splitlines()]
    repeated = len(started) - len(set(started))
    # A killed slot takes with it what it had finished and not sent: some 5 ms of results.
    assert repeated < kills * 100


@every_start_method
def test_a_task_that_closes_every_file_is_charged(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot can tell nothing any more; after some tries the pool charges the task."""
    monkeypatch.setattr(limits, "MUTE_SECONDS", 0.1)
    outcomes = run(pool, make_batch("act", 2, acts={"close files": ([0], None)}))
    assert outcomes.indices() == [0, 1]
    assert [(failed.index, failed.reason) for failed in outcomes.failed()] == [(0, "crash")]


def test_a_death_that_the_kernel_counts_as_out_of_memory_is_told_so(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OomWatch, "claim", lambda _: True)
    outcomes = run(
        pool,
        make_batch(tasks=1, acts={"kill": ([], int(signal.SIGKILL))}),
        make_batch(tasks=1, acts={"kill": ([], int(signal.SIGSEGV))}, job="other"),
    )
    assert [failed.reason for failed in outcomes.failed()] == ["oom"]
    assert [failed.reason for failed in outcomes.failed("other")] == ["crash"]
