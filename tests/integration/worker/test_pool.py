"""The pool's behaviour, by every start method where that may matter."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import threading
import time
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from headrace_wire.errors import UsageError
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan
from headrace_worker.machine.oom import OomWatch
from headrace_worker.pool import limits, slot_process, supervisor
from headrace_worker.pool.batch import Event
from support.pidfds import replace_pidfds
from support.polled_pool import Pool
from support.pool_driver import (
    PATIENCE_SECONDS,
    Outcomes,
    attend,
    attend_in_loop,
    collect,
    every_start_method,
    make_batch,
    run,
)
from support.pool_probe_service import LOADER, die_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture
def pool(make_pool: Callable[..., Pool]) -> Pool:
    return make_pool()


def wait_for_lines(
    pool: Pool, path: Path, lines: int, outcomes: Outcomes | None = None
) -> list[int]:
    """Poll until so many tasks have marked their start; gives their slots' process numbers."""

    def read() -> list[int]:
        return [int(line.split()[1]) for line in path.read_text().splitlines()]

    collect(pool, outcomes, until=lambda: path.exists() and len(read()) >= lines)
    return read()


def warm_up(pool: Pool) -> None:
    """Let every slot be ready: after this, each pid is that of a slot in its main loop."""
    collect(
        pool,
        until=lambda: all(slot.ready for slot in pool._supervisor.slots) and bool(pool.stats()),
    )


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
    pool: Pool, tmp_path: Path
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


@every_start_method
def test_kill_9_of_all_idle_slots_harms_nothing(pool: Pool) -> None:
    run(pool, make_batch("noop", 10))
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


def test_a_slot_that_exits_while_it_prepares_charges_one_task_each_time(pool: Pool) -> None:
    outcomes = run(pool, make_batch("exit", 4))
    assert {failed.message for failed in outcomes.failed()} == {"the slot exited: exit status 5"}
    assert outcomes.indices() == [0, 1, 2, 3]


@every_start_method
def test_slots_are_recycled_after_so_many_tasks(make_pool: Callable[..., Pool]) -> None:
    pool = make_pool(max_tasks=7)
    outcomes = run(pool, make_batch("pid", 30))
    assert outcomes.indices() == list(range(30))
    pids = [value for (value,) in outcomes.values.values()]
    assert max(pids.count(pid) for pid in set(pids)) == 7
    assert not outcomes.failures


@every_start_method
def test_slots_are_recycled_when_they_grow_too_big(
    make_pool: Callable[..., Pool], start_method: str
) -> None:
    # A slot that is forked from this very process begins with all that it has.
    first = psutil.Process().memory_info().rss if start_method == "fork" else 0
    pool = make_pool(max_rss_bytes=first + (100 << 20))
    outcomes = run(pool, make_batch("act", 7, hoard=([], 60 << 20)))
    assert outcomes.indices() == list(range(7))
    assert not outcomes.failures
    assert max(slot.rss_bytes for slot in pool.stats()) < first + (200 << 20)


@every_start_method
def test_a_slot_gets_no_more_memory_than_its_limit(
    make_pool: Callable[..., Pool], start_method: str
) -> None:
    # As above; what a process has by RLIMIT_DATA.
    first = psutil.Process().memory_info().data if start_method == "fork" else 0
    pool = make_pool(1, memory_limit_bytes=first + (1 << 30))
    outcomes = run(pool, make_batch("act", 3, hoard=([1], 3 << 30)))
    (failed,) = outcomes.failed()
    assert (failed.index, failed.reason, failed.error_type) == (1, "error", "MemoryError")
    assert sorted(index for _, index in outcomes.values) == [0, 2]
    assert not pool.take_restarts()


@every_start_method
def test_a_thread_that_a_task_leaves_behind_does_not_hold_up_recycling(
    make_pool: Callable[..., Pool],
) -> None:
    pool = make_pool(max_tasks=1)
    assert run(pool, make_batch("act", 3, acts={"leave a thread": ([], None)})).indices() == [
        0,
        1,
        2,
    ]


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
    assert process.num_fds() == files


@every_start_method
def test_slots_ignore_an_interrupt(pool: Pool) -> None:
    outcomes = run(pool, make_batch("act", 4, interrupt=([], None)))
    assert outcomes.indices() == [0, 1, 2, 3]
    assert not outcomes.failures


@every_start_method
def test_a_task_that_closes_every_file_is_charged(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slot can tell nothing any more; after some tries the pool charges the task."""
    monkeypatch.setattr(limits, "MUTE_SECONDS", 0.1)
    outcomes = run(pool, make_batch("act", 2, acts={"close files": ([0], None)}))
    assert outcomes.indices() == [0, 1]
    assert [(failed.index, failed.reason) for failed in outcomes.failed()] == [(0, "crash")]


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    module = pytest.importorskip(str(request.param))
    with asyncio.Runner(loop_factory=module.new_event_loop) as runner:
        yield runner


#: Every start method, and every event loop: what a loop is told is the same for all methods.
some_of_each = pytest.mark.parametrize(
    ("start_method", "runner"),
    [("forkserver", "asyncio"), ("forkserver", "uvloop"), ("spawn", "uvloop"), ("fork", "asyncio")],
    indirect=True,
)


@some_of_each
def test_an_event_loop_watches_slots_that_die_overrun_and_are_sent_much(
    pool: Pool, runner: asyncio.Runner
) -> None:
    inputs = [bytes(1 << 20)] * 8  # more than a slot's socket takes at once
    acts: dict[str, object] = {"sleep": ([1], 60), "os._exit": ([2, 5], 3)}
    outcomes = Outcomes()
    runner.run(
        attend_in_loop(
            pool,
            make_batch("echo", 8, job="echo", inputs=inputs),
            make_batch(tasks=8, timeout_seconds=1.0, acts=acts),
            outcomes=outcomes,
        )
    )
    assert outcomes.indices("echo") == outcomes.indices() == list(range(8))
    assert not outcomes.failed("echo")
    failed = {one.index: one.reason for one in outcomes.failed()}
    assert failed == {1: "timeout", 2: "crash", 5: "crash"}


def test_a_pool_leaves_an_event_loop_and_goes_on_without(
    pool: Pool, runner: asyncio.Runner
) -> None:
    for job in ("first", "second"):
        outcomes = Outcomes()
        runner.run(attend_in_loop(pool, make_batch(tasks=3, job=job), outcomes=outcomes))
        assert outcomes.indices(job) == [0, 1, 2]
        assert run(pool, make_batch(tasks=3)).indices() == [0, 1, 2]


def test_nothing_is_due_in_a_pool_that_has_nothing_to_do(pool: Pool) -> None:
    attend(pool, make_batch(tasks=4, timeout_seconds=30.0))
    warm_up(pool)
    pool.poll(0)
    assert pool.due_seconds == inf


@some_of_each
def test_slots_that_cannot_start_are_said_so_in_an_event_loop(
    start_method: str, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START_FAILURES", 2)
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(slot_process, "run_slot", die_at_once)
    with (
        Pool(2, start_method, loader=LOADER) as pool,
        pytest.raises(supervisor.SlotStartError, match="exit status 9"),
    ):
        runner.run(attend_in_loop(pool, make_batch("noop", 1), outcomes=Outcomes()))


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


def test_slots_that_are_dead_and_buried_before_they_are_watched_are_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_late(pid: int) -> int:
        time.sleep(0.1)  # in which the slot dies: nothing tells this process when it is reaped
        return pidfd_open(pid)

    pidfd_open = os.pidfd_open
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(slot_process, "run_slot", die_at_once)
    with Pool(1, loader=LOADER) as pool:
        pool.submit(make_batch("noop", 1))
        replace_pidfds(monkeypatch, open_late)
        with pytest.raises(supervisor.SlotStartError, match="exit status 9"):
            pool.poll(30)


@every_start_method
def test_slots_that_cannot_start_are_said_so(
    start_method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "START_FAILURES", 2)
    monkeypatch.setattr(supervisor, "START_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(slot_process, "run_slot", die_at_once)
    with Pool(2, start_method, loader=LOADER) as pool:
        pool.submit(make_batch("noop", 1))
        with pytest.raises(supervisor.SlotStartError, match="exit status 9"):
            collect(pool)


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


def test_an_unknown_start_method_is_refused() -> None:
    with pytest.raises(UsageError, match="forkserver, spawn, fork"):
        Pool(1, "thread", loader=LOADER)


def test_a_pool_without_slots_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one slot"):
        Pool(0, loader=LOADER)


def test_fork_is_refused_in_a_process_that_has_threads() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with pytest.raises(UsageError, match=r"'fork'.*threads.*'forkserver'"):
            Pool(1, "fork", loader=LOADER)
    finally:
        stop.set()
        thread.join()


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


@every_start_method
def test_libraries_are_held_to_one_thread_unless_the_user_said_otherwise(
    make_pool: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    outcomes = run(make_pool(), make_batch("environment", 1, name="OMP_NUM_THREADS"))
    assert outcomes.values["job", 0] == [b"1"]
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_the_fork_server_could_not_preload_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Pool(1, "forkserver", loader=LOADER, preload=["no_such_module"]) as pool:
        run(pool, make_batch("noop", 1))
    assert "no_such_module" in caplog.text
