"""An engine that is another cluster, with threads of this process in its place."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from headrace_services.calls import CallOptions
from headrace_services.calls.plan import plan_map
from headrace_services.calls.transport import open_result
from headrace_services.permits import EVERYTHING, Permits
from headrace_services.task import current_task
from headrace_wire.batch import unpack_batch
from headrace_wire.encoding import pack
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan, ReturnedSpan
from headrace_worker.engines import sent_data
from headrace_worker.engines.engine import Engine
from headrace_worker.engines.grid import SpanLostError
from headrace_worker.engines.remote import RemoteEngine
from headrace_worker.pool.batch import Batch, Event
from support.thread_grid import ThreadGrid

PERMITS = Permits(allow=(EVERYTHING,), pickle=True)

#: Set by the engine that a test runs whenever it has news.
NEWS: ContextVar[asyncio.Event] = ContextVar("news")

Check = Callable[[RemoteEngine], Awaitable[None]]


def make_batch(
    function: Callable[[Any], Any], arguments: Sequence[Any], key: int = 1, **more: Any
) -> Batch:
    plan = plan_map(function, arguments, CallOptions("cloudpickle"))
    return Batch(
        key=key,
        job=more.pop("job", f"job-{key}"),
        service="calls",
        operation="map",
        parameters=pack({**plan.parameters, **more.pop("parameters", {})}),
        start=0,
        stop=len(arguments),
        inputs=tuple(plan.inputs or ()),
        **more,
    )


def run_engine(grid: ThreadGrid, check: Check, **options: Any) -> None:
    """Have an engine work in an event loop while it is looked at."""

    async def live() -> None:
        engine = RemoteEngine(grid, **{"permits": PERMITS, **options})
        as_seam: Engine = engine
        news = asyncio.Event()
        NEWS.set(news)
        as_seam.attach(asyncio.get_running_loop(), news.set)
        try:
            async with asyncio.timeout(60):
                await check(engine)
        finally:
            engine.close(kill=True)
            await asyncio.sleep(0)

    asyncio.run(live())


async def wait_until(is_so: Callable[[], object]) -> None:
    """Wait for news until something is so."""
    while not is_so():
        await NEWS.get().wait()
        NEWS.get().clear()


async def take_all(engine: RemoteEngine) -> list[Event]:
    """All events until nothing is left to wait for."""
    events: list[Event] = []

    def is_over() -> bool:
        events.extend(engine.take_events())
        return not engine.outstanding

    await wait_until(is_over)
    return events


def open_values(events: Sequence[Event]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for event in events:
        assert isinstance(event, DoneSpan)
        values = unpack_batch(event.values)
        for index, value in zip(range(event.start, event.stop), values, strict=True):
            found[index] = open_result("cloudpickle", value)
    return found


def test_each_task_has_its_value() -> None:
    grid = ThreadGrid(2)

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(lambda number: number * number, range(500)))
        assert engine.outstanding == {1}
        assert open_values(await take_all(engine)) == {n: n * n for n in range(500)}
        assert not engine.outstanding
        assert (engine.busy_slots, engine.idle_slots) == (0, 4), "one ahead for each slot"

    run_engine(grid, check)
    assert len(grid.calls) < 100  # short tasks travel together


def test_a_task_that_fails_does_no_harm_to_others() -> None:
    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(lambda number: 10 // number, [2, 0, 5]))
        events = sorted(await take_all(engine), key=lambda one: getattr(one, "index", -1))
        (failed,) = [one for one in events if isinstance(one, TaskFailure)]
        assert (failed.index, failed.reason, failed.error_type) == (1, "error", "ZeroDivisionError")
        assert "ZeroDivisionError" in failed.traceback
        rest = [one for one in events if not isinstance(one, TaskFailure)]
        assert open_values(rest) == {0: 5, 2: 2}

    run_engine(ThreadGrid(2), check)


def test_what_tasks_print_is_told_with_the_task() -> None:
    before = sys.stdout, sys.stderr

    def speak(number: int) -> None:
        print(f"number {number}")
        print("to standard error", file=sys.stderr)
        current_task().log.warning("as a log line")
        print("no end", end="")

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(speak, [7], attempt=2))
        await take_all(engine)
        lines = engine.take_lines()
        assert {(line.job, line.index, line.attempt) for line in lines} == {("job-1", 0, 2)}
        assert [(line.level, line.text) for line in lines] == [
            ("print", "number 7"),
            ("stderr", "to standard error"),
            ("warning", "as a log line"),
            ("print", "no end"),
        ]

    run_engine(ThreadGrid(1), check)
    assert (sys.stdout, sys.stderr) == before


def test_running_tasks_and_their_progress_are_listed(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)

    def report(path: Path) -> None:
        current_task().log.info("about to wait")
        current_task().report_progress(3, 10)
        path.read_bytes()

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(report, [go]))
        await wait_until(engine.list_progress)
        (running,) = engine.list_running(10)
        assert (running.job, running.index) == ("job-1", 0)
        (progress,) = engine.list_progress()
        assert (progress.done, progress.of) == (3, 10)
        assert engine.busy_slots == 1
        await asyncio.to_thread(go.write_bytes, b"")
        await take_all(engine)
        assert not engine.list_running(10)

    run_engine(ThreadGrid(1), check)


def test_with_a_process_that_dies_alone_its_task_is_charged() -> None:
    grid = ThreadGrid(1, [SpanLostError("lost", "the worker died")])

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(abs, [-1]))
        (failed,) = await take_all(engine)
        assert isinstance(failed, TaskFailure)
        assert (failed.index, failed.reason, failed.message) == (0, "lost", "the worker died")
        assert engine.tally.restarts["lost"] == 1

    run_engine(grid, check)


def test_of_tasks_that_were_lost_together_each_runs_again_alone() -> None:
    grid = ThreadGrid(1)

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(abs, range(20), job="job"))
        await take_all(engine)  # now it is known how short they are
        grid.calls.clear()
        grid.trouble.append(SpanLostError("crash", "it died"))
        engine.submit(make_batch(abs, range(0, -4, -1), key=2, job="job"))
        assert open_values(await take_all(engine)) == {0: 0, 1: 1, 2: 2, 3: 3}
        assert len(grid.calls) >= 4

    run_engine(grid, check)


def test_where_a_process_has_died_tasks_are_retried_one_by_one() -> None:
    grid = ThreadGrid(1)

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(abs, range(20), job="job"))
        await take_all(engine)  # now it is known how short they are
        grid.trouble.append(SpanLostError("crash", "it died"))
        engine.submit(make_batch(abs, [1], key=2, job="job"))
        await take_all(engine)
        grid.calls.clear()
        engine.submit(make_batch(abs, [1, 2, 3], key=3, job="job", attempt=2))
        assert open_values(await take_all(engine)) == {0: 1, 1: 2, 2: 3}
        assert len(grid.calls) == 3

    run_engine(grid, check)


def test_a_cluster_that_cannot_run_tasks_says_so_in_their_outcome() -> None:
    grid = ThreadGrid(1, [ModuleNotFoundError("No module named 'headrace_worker'")])

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(abs, [-1]))
        (failed,) = await take_all(engine)
        assert isinstance(failed, TaskFailure)
        assert failed.reason == "error"
        assert "a stand-in could not run it: No module named 'headrace_worker'" in failed.message

    run_engine(grid, check)


def test_what_waits_is_handed_back_and_what_runs_goes_on() -> None:
    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(time.sleep, [0.2, 0, 0, 0]))
        assert engine.pending_tasks == 3
        assert engine.hand_back(keep=2) == [ReturnedSpan(1, "job-1", 3, 4)]
        assert engine.hand_back() == [ReturnedSpan(1, "job-1", 1, 3)]
        assert set(open_values(await take_all(engine))) == {0}

    run_engine(ThreadGrid(1), check)


def test_of_a_cancelled_job_nothing_comes_back() -> None:
    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(time.sleep, [0.1, 0.1]))
        engine.submit(make_batch(abs, [-3], key=2))
        await asyncio.sleep(0.02)
        engine.cancel("job-1")
        assert engine.outstanding == {2}
        assert open_values(await take_all(engine)) == {0: 3}

    run_engine(ThreadGrid(1), check)


def test_a_cancelled_task_that_cannot_be_ended_keeps_its_slot_busy(tmp_path: Path) -> None:
    end = tmp_path / "end"

    def wait_for(path: str) -> None:
        while not Path(path).exists():
            time.sleep(0.01)

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(wait_for, [str(end)]))
        await wait_until(lambda: engine.list_running(1))
        for _ in range(2):  # orders are repeated until they are confirmed
            engine.cancel("job-1")
            await asyncio.sleep(0.02)
        assert (engine.busy_slots, engine.idle_slots, engine.outstanding) == (1, 0, frozenset())
        assert engine.list_running(1) == []
        engine.submit(make_batch(abs, [-3], key=2))
        assert engine.pending_tasks == 1
        end.touch()
        assert open_values(await take_all(engine)) == {0: 3}

    try:
        run_engine(ThreadGrid(1), check)
    finally:
        end.touch()


def test_one_task_that_waits_can_be_taken_back() -> None:
    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(time.sleep, [0.1, 0, 0]))
        engine.cancel_task("job-1", 1)
        events = await take_all(engine)
        assert ReturnedSpan(1, "job-1", 1, 2) in events
        rest = [one for one in events if isinstance(one, DoneSpan)]
        assert set(open_values(rest)) == {0, 2}

    run_engine(ThreadGrid(1), check)


def test_slots_come_and_go() -> None:
    grid = ThreadGrid(0)

    async def check(engine: RemoteEngine) -> None:
        assert engine.slots == 0
        engine.submit(make_batch(abs, [-1, -2]))
        assert engine.is_stuck(1.0)
        assert engine.pending_tasks == 2
        grid.slots = 5
        grid.on_change()
        assert engine.slots == 3
        assert open_values(await take_all(engine)) == {0: 1, 1: 2}

    run_engine(grid, check, slots=3)


def test_large_parameters_are_brought_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(sent_data, "SHARED_BYTES", 100)
    grid = ThreadGrid(1)
    large = b"x" * 1000

    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(abs, range(30), parameters={"more": large}))
        assert len(open_values(await take_all(engine))) == 30
        assert len(grid.calls) > 1
        assert len(grid.brought) == 1
        assert large in grid.brought[0]

    run_engine(grid, check)


def test_parameters_in_files_are_brought_too(tmp_path: Path) -> None:
    function = plan_map(abs, [], CallOptions("cloudpickle")).parameters["function"]
    assert isinstance(function, bytes)
    kept = tmp_path / "function"
    kept.write_bytes(function)
    grid = ThreadGrid(1)

    async def check(engine: RemoteEngine) -> None:
        data = (("function", str(kept), len(function)),)
        engine.submit(make_batch(abs, range(3), data=data, parameters={"function": None}))
        assert open_values(await take_all(engine)) == {0: 0, 1: 1, 2: 2}
        assert grid.brought == [function]

    run_engine(grid, check)


def test_an_initializer_runs_again_for_another_tenant() -> None:
    def initialize(name: str) -> None:
        import math  # noqa: PLC0415 - what travels by value has no module

        vars(math)["of_engine_test"] = name

    def read(_: int) -> str:
        import math  # noqa: PLC0415 - what travels by value has no module

        name: str = vars(math)["of_engine_test"]
        return name

    def make(name: str, key: int) -> Batch:
        options = CallOptions("cloudpickle", initializer=initialize, initargs=(name,), pool=name)
        batch = make_batch(read, [0], key, tenant=name)
        batch.parameters = pack({**plan_map(read, [0], options).parameters})
        return batch

    async def check(engine: RemoteEngine) -> None:
        for key, name in enumerate(("one", "two", "one"), 1):
            engine.submit(make(name, key))
            assert open_values(await take_all(engine)) == {0: name}

    run_engine(ThreadGrid(1), check)


def test_pickled_functions_are_refused_where_they_are_not_allowed() -> None:
    async def check(engine: RemoteEngine) -> None:
        engine.submit(make_batch(abs, [1]))
        (failed,) = await take_all(engine)
        assert isinstance(failed, TaskFailure)
        assert "--allow-pickle" in failed.message

    run_engine(ThreadGrid(1), check, permits=Permits(allow=("math",)))
