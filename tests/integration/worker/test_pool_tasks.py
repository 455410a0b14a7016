"""What functions say through ``current_task`` in the slots of a real pool."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from headrace_services.calls import CallOptions, open_result, plan_map
from headrace_services.permits import Permits
from headrace_services.service import Plan
from headrace_wire.encoding import pack
from headrace_worker.launch.launcher import Launcher
from headrace_worker.link.loader import DEFAULT_LOADER
from headrace_worker.link.messages import Progress, TaskLine
from headrace_worker.pool import pool as pool_module
from headrace_worker.pool.batch import Batch
from support import calls_tasks
from support.commands import wait_until
from support.polled_pool import Pool
from support.pool_driver import PATIENCE_SECONDS, Outcomes, collect, run

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

PERMITS = Permits(("support.calls_tasks",))

#: What slots that share no modules with others find for themselves.
also_spawned = pytest.mark.parametrize("start_method", ["forkserver", "spawn"], indirect=True)

_keys = itertools.count(1)

MakePool = Callable[..., Pool]


@pytest.fixture
def make_pool(make_pool: MakePool) -> MakePool:
    def make(slots: int = 1) -> Pool:
        return make_pool(slots, loader=DEFAULT_LOADER, permits=PERMITS)

    return make


@pytest.fixture
def raw_pool(launcher_of_all: Launcher) -> Iterator[Pool]:
    """A pool whose tasks print where this process does."""
    with closing(
        Pool(1, launcher_of_all, loader=DEFAULT_LOADER, permits=PERMITS, task_stdout=True)
    ) as pool:
        yield pool


def make_batch(plan: Plan, *, attempt: int = 1, job: str = "", start: int = 0) -> Batch:
    inputs = tuple(plan.inputs or ())
    key = next(_keys)
    return Batch(
        key, job or f"job {key}", "calls", plan.operation, pack(dict(plan.parameters)),
        start, start + len(inputs), attempt, inputs,
    )  # fmt: skip


def open_values(outcomes: Outcomes) -> list[Any]:
    return [open_result("msgpack", one[0]) for _, one in sorted(outcomes.values.items())]


def add_up(outcomes: Outcomes) -> dict[str, float]:
    total: dict[str, float] = {}
    for done in outcomes.done:
        for name, amount in done.counters.items():
            total[name] = total.get(name, 0.0) + amount
    return total


def poll_until(pool: Pool, condition: Callable[[], object], outcomes: Outcomes) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "did not happen"
        outcomes.add(pool.poll(0.05))


def gather_lines(pool: Pool, count: int, outcomes: Outcomes | None = None) -> list[TaskLine]:
    """Poll until so many lines are there."""
    lines: list[TaskLine] = []

    def enough() -> bool:
        lines.extend(pool.take_lines())
        return len(lines) >= count

    poll_until(pool, enough, outcomes or Outcomes())
    return lines


@also_spawned
def test_a_task_knows_its_job_its_index_and_its_attempt(make_pool: MakePool) -> None:
    plan = plan_map(calls_tasks.tell, range(200))
    outcomes = run(make_pool(2), make_batch(plan, attempt=3, job="mine", start=1000))
    expected = [["mine", index, 3, False] for index in range(1000, 1200)]
    assert open_values(outcomes) == expected


def test_there_is_no_task_while_the_service_prepares(make_pool: MakePool) -> None:
    options = CallOptions(initializer=calls_tasks.tell, initargs=(None,))
    batch = make_batch(plan_map(calls_tasks.tell, [1], options))
    (failed,) = run(make_pool(), batch).failed(batch.job)
    assert failed.error_type == "RuntimeError"
    assert "outside of a task" in failed.message


def test_counters_come_with_the_runs_of_tasks_that_are_done(make_pool: MakePool) -> None:
    amounts = [2, -3, 5, 7, -11, *[1] * 500]
    outcomes = run(make_pool(2), make_batch(plan_map(calls_tasks.count, amounts)))
    assert len(outcomes.failures) == 2
    done = [amount for amount in amounts if amount > 0]
    assert add_up(outcomes) == {"calls": len(done), "found": sum(done)}
    plain = run(make_pool(), make_batch(plan_map(calls_tasks.tell, range(10))))
    assert not add_up(plain)


def test_what_is_counted_for_a_task_that_is_over_is_lost(make_pool: MakePool) -> None:
    outcomes = run(make_pool(), make_batch(plan_map(calls_tasks.count_late, range(5))))
    assert add_up(outcomes) == {"in time": 5}


def test_lines_are_there_before_the_outcome_of_their_task(make_pool: MakePool) -> None:
    pool = make_pool(2)
    batch = make_batch(plan_map(calls_tasks.log, [f"text {index}" for index in range(300)]))
    pool.submit(batch)
    outcomes, seen = Outcomes(), set[int]()
    while pool.outstanding:
        outcomes.add(pool.poll(1.0))
        for line in pool.take_lines():
            assert (line.job, line.level, line.text) == (batch.job, "info", f"text {line.index}")
            assert line.index not in seen
            seen.add(line.index)
        assert seen >= set(outcomes.indices(batch.job))
    assert seen == set(range(300))


def test_lines_of_a_task_that_runs_on_are_there_soon(make_pool: MakePool, tmp_path: Path) -> None:
    pool, end = make_pool(), tmp_path / "end"
    batch = make_batch(plan_map(calls_tasks.log_until, [str(end)]))
    pool.submit(batch)
    first, second = gather_lines(pool, 2)
    assert (first.text, second.text) == ("first", "second")
    assert pool.outstanding
    end.touch()
    assert len(collect(pool).values) == 1


def test_many_lines_all_arrive_in_their_order(make_pool: MakePool) -> None:
    pool = make_pool()
    pool.submit(make_batch(plan_map(calls_tasks.log_many, [5000])))
    lines = gather_lines(pool, 5000)
    assert [line.text for line in lines] == [f"line {number}" for number in range(5000)]


@also_spawned
def test_the_lines_of_a_task_that_dies_are_there(make_pool: MakePool) -> None:
    pool = make_pool()
    batch = make_batch(plan_map(calls_tasks.log_and_die, ["last words"]))
    (failed,) = run(pool, batch).failed(batch.job)
    assert failed.reason == "crash"
    lines = [(line.level, line.text, line.index) for line in pool.take_lines()]
    assert lines == [("error", "last words", 0), ("print", "last words, printed", 0)]


def test_progress_is_the_latest_word_of_tasks_that_run(make_pool: MakePool, tmp_path: Path) -> None:
    pool, end = make_pool(2), tmp_path / "end"
    batch = make_batch(plan_map(calls_tasks.report_until, [str(end)] * 2))
    pool.submit(batch)
    expected = {Progress(batch.job, index, 4000.0, 10_000.0) for index in (0, 1)}
    poll_until(pool, lambda: set(pool.list_progress()) == expected, Outcomes())
    end.touch()
    collect(pool)
    assert pool.list_progress() == []


def test_a_cancelled_task_that_asks_may_end_by_itself(make_pool: MakePool, tmp_path: Path) -> None:
    pool, end = make_pool(), tmp_path / "end"
    batch = make_batch(plan_map(calls_tasks.run_until_cancelled, [str(end), str(end)]))
    pool.submit(batch)
    gather_lines(pool, 1)
    (slot,) = pool.stats()
    pool.cancel(batch.job)
    assert not pool.outstanding
    outcomes = Outcomes()
    poll_until(pool, end.exists, outcomes)
    pool.submit(make_batch(plan_map(calls_tasks.tell, [1]), job="next"))
    collect(pool, outcomes)
    assert outcomes.indices(batch.job) == [], "its outcome is not wanted"
    assert outcomes.indices("next") == [0]
    assert [one.pid for one in pool.stats()] == [slot.pid] == [int(end.read_text())]
    assert not pool.take_restarts()


def test_a_cancelled_task_that_only_asks_is_killed_after_its_grace(
    make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "CANCEL_GRACE_SECONDS", 0.2)
    pool = make_pool()
    batch = make_batch(plan_map(calls_tasks.ask_and_go_on, [1]))
    pool.submit(batch)
    gather_lines(pool, 1)
    pool.cancel(batch.job)
    pool.submit(make_batch(plan_map(calls_tasks.tell, [1]), job="next"))
    assert collect(pool).indices("next") == [0]
    assert dict(pool.take_restarts()) == {"cancel": 1}


def test_a_cancelled_task_that_never_asks_is_killed_at_once(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "CANCEL_GRACE_SECONDS", 1000.0)
    pool = make_pool()
    batch = make_batch(plan_map(calls_tasks.log_until, [str(tmp_path / "never")]))
    pool.submit(batch)
    gather_lines(pool, 1)
    pool.cancel(batch.job)
    outcomes = run(pool, make_batch(plan_map(calls_tasks.tell, [1]), job="next"))
    assert outcomes.indices("next") == [0]
    assert dict(pool.take_restarts()) == {"cancel": 1}


def test_a_pool_that_is_called_off_gives_those_who_ask_their_time(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool, end = make_pool(2), tmp_path / "end"
    asks = make_batch(plan_map(calls_tasks.run_until_cancelled, [str(end)]))
    never = make_batch(plan_map(calls_tasks.log_until, [str(tmp_path / "never")]))
    pool.submit(asks)
    pool.submit(never)
    gather_lines(pool, 3)
    pids = [slot.pid for slot in pool.stats()]
    began = time.monotonic()
    returned = pool.close(call_off=True, grace_seconds=PATIENCE_SECONDS)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2, "who never asks is not waited for"
    assert end.exists()
    assert {one.job for one in returned} == {asks.job, never.job}
    wait_until(lambda: not any(psutil.pid_exists(pid) for pid in pids))


@also_spawned
def test_a_forked_child_of_a_task_does_not_speak_for_it(make_pool: MakePool) -> None:
    pool = make_pool()
    outcomes = run(pool, make_batch(plan_map(calls_tasks.fork_and_speak, [1])))
    ((said,),) = open_values(outcomes)
    assert said.startswith("False current_task() was called outside of a task")
    assert add_up(outcomes) == {}


@also_spawned
def test_what_a_task_prints_is_caught_with_its_level(make_pool: MakePool) -> None:
    pool = make_pool()
    batch = make_batch(plan_map(calls_tasks.speak, ["hello"]), attempt=2, start=7)
    run(pool, batch)
    lines = pool.take_lines()
    assert {(line.job, line.index, line.attempt) for line in lines} == {(batch.job, 7, 2)}
    said = [(line.level, line.text.partition("\n")[0]) for line in lines]
    level, warned = said.pop(2)
    assert level == "warning"
    assert warned.endswith("UserWarning: be careful")
    assert said == [
        ("print", "hello"), ("stderr", "on standard error"), ("warning", "look out"),
        ("print", "not ended"),
    ]  # fmt: skip


@also_spawned
def test_a_task_that_closes_its_streams_leaves_them_open_for_the_next(
    make_pool: MakePool,
) -> None:
    pool = make_pool()
    outcomes = run(pool, make_batch(plan_map(calls_tasks.close_streams, [1])))
    assert len(outcomes.values) == 1, "bytes can be written, too"
    outcomes = run(pool, make_batch(plan_map(calls_tasks.speak, ["hello"])))
    assert len(outcomes.values) == 1
    levels = [line.level for line in pool.take_lines()]
    assert levels == ["print", "stderr", "warning", "warning", "print"]


def test_where_output_is_the_tasks_own_it_is_left_alone(raw_pool: Pool) -> None:
    outcomes = run(raw_pool, make_batch(plan_map(calls_tasks.speak, ["hello"])))
    assert len(outcomes.values) == 1
    assert not raw_pool.take_lines()
