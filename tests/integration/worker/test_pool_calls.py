"""Calls through the real pool: what slots are allowed, and what comes back of what they raise."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from headrace_services.calls import (
    CallOptions,
    RemoteError,
    open_result,
    plan_apply,
    plan_map,
    plan_starmap,
    rebuild_failure,
)
from headrace_services.permits import Permits, RefusedError
from headrace_services.service import MAX_DETAIL_BYTES, Plan
from headrace_wire.encoding import pack
from headrace_wire.message import decode, dump
from headrace_wire.messages.failures import TaskFailure
from headrace_worker.link.loader import DEFAULT_LOADER
from headrace_worker.pool.batch import Batch
from support import calls_shop
from support.calls_shop import OutOfStockError, Point
from support.polled_pool import Pool
from support.pool_driver import Outcomes, run

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

SHOP = Permits(("support.calls_shop",))

#: What slots that share no modules with others find for themselves.
also_spawned = pytest.mark.parametrize("start_method", ["forkserver", "spawn"], indirect=True)

_keys = itertools.count(1)

MakePool = Callable[..., Pool]


@pytest.fixture
def make_pool(make_pool: MakePool) -> MakePool:
    def make(permits: Permits = SHOP, slots: int = 1) -> Pool:
        return make_pool(slots, loader=DEFAULT_LOADER, permits=permits)

    return make


def make_batch(plan: Plan) -> Batch:
    inputs = tuple(plan.inputs or ())
    key = next(_keys)
    return Batch(
        key, f"job {key}", "calls", plan.operation, pack(dict(plan.parameters)), 0, len(inputs),
        inputs=inputs,
    )  # fmt: skip


def run_plan(pool: Pool, plan: Plan) -> tuple[list[Any], list[TaskFailure]]:
    batch = make_batch(plan)
    outcomes: Outcomes = run(pool, batch)
    serializer: Any = plan.parameters["serializer"]
    values = [open_result(serializer, one[0]) for _, one in sorted(outcomes.values.items())]
    return values, outcomes.failed(batch.job)


def rebuild(failed: TaskFailure) -> Exception:
    """Do as the reporter does, then as a client does."""
    failure = replace(failed, worker="here")
    return rebuild_failure(decode(TaskFailure, pack(dump(failure))))


@also_spawned
def test_values_go_to_a_slot_and_back_as_they_are(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    sent = [(1, 2**80), {Point(1, 2).x: bytearray(b"x")}, Point([1], "y"), None]
    values, failures = run_plan(pool, plan_map(calls_shop.echo, sent))
    assert not failures
    assert values == sent
    assert [type(value) for value in values] == [type(value) for value in sent]
    assert run_plan(pool, plan_starmap(calls_shop.add, [(1, 2), ("a", "b")])) == ([3, "ab"], [])
    assert run_plan(pool, plan_apply(calls_shop.add, (1,), {"right": 5})) == ([6], [])


@also_spawned
def test_an_exception_is_raised_again_with_its_class_and_traceback(make_pool: MakePool) -> None:
    pool = make_pool()
    _, (failed,) = run_plan(pool, plan_starmap(calls_shop.order, [("bolt", 3)]))
    assert (failed.error_type, failed.message) == (
        "support.calls_shop.OutOfStockError",
        "3 of bolt are missing",
    )
    assert failed.summary == "order('bolt', 3)"
    assert "in order" in failed.traceback
    assert set(re.findall(r'File "(.*?)"', failed.traceback)) == {calls_shop.__file__}
    error = rebuild(failed)
    assert isinstance(error, OutOfStockError)
    assert (error.item, error.missing) == ("bolt", 3)
    assert "in order" in str(error.__cause__)

    _, failures = run_plan(pool, plan_map(calls_shop.divide, [0]))
    assert type(rebuild(failures[0])) is ZeroDivisionError
    _, failures = run_plan(pool, plan_map(calls_shop.leave, [3]))
    assert type(rebuild(failures[0])).__name__ == "SystemExit"
    assert isinstance(rebuild(failures[0]), RemoteError)


def test_an_exception_that_is_too_large_for_its_detail_is_still_told(make_pool: MakePool) -> None:
    _, (failed,) = run_plan(
        make_pool(), plan_starmap(calls_shop.order, [("x" * 2 * MAX_DETAIL_BYTES, 3)])
    )
    assert len(failed.detail) <= MAX_DETAIL_BYTES
    assert isinstance(rebuild(failed), OutOfStockError)


@pytest.mark.parametrize(
    ("permits", "function", "argument", "options", "advice"),
    [
        (Permits(), calls_shop.echo, 1, CallOptions(), "start it with --allow support or"),
        (SHOP, "os:getpid", 1, CallOptions(), "start it with --allow os or"),
        (SHOP, "support.calls_shop:os.system", "true", CallOptions(), "leads out of"),
        (SHOP, len, [], CallOptions(serializer="cloudpickle"), "start it with --allow-pickle"),
        (
            Permits(("support.calls_shop:echo",)),
            calls_shop.echo,
            Point(1),
            CallOptions(),
            "start it with --allow support or",
        ),
    ],
)
def test_what_the_worker_does_not_allow_is_refused_in_the_slot(
    make_pool: MakePool,
    permits: Permits,
    function: Any,
    argument: Any,
    options: CallOptions,
    advice: str,
) -> None:
    batch = make_batch(plan_map(function, [argument], options))
    (failed,) = run(make_pool(permits), batch).failed(batch.job)
    assert (failed.reason, failed.error_type.rpartition(".")[2]) == ("error", "RefusedError")
    assert advice in failed.message
    assert isinstance(rebuild(failed), RefusedError)


@also_spawned
def test_an_initializer_runs_once_in_each_slot(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    options = CallOptions(initializer=calls_shop.configure, initargs=({"a": (1,)},))
    for _ in range(3):
        values, failures = run_plan(pool, plan_map(calls_shop.tell_config, range(50), options))
        assert not failures
        assert {process for process, _ in values} <= {slot.pid for slot in pool.stats()}
        assert all(config == [{"a": (1,)}] for _, config in values)


def test_an_initializer_that_fails_fails_every_task(make_pool: MakePool) -> None:
    options = CallOptions(initializer=calls_shop.divide, initargs=(0,))
    values, failures = run_plan(make_pool(), plan_map(calls_shop.echo, [1, 2], options))
    assert values == []
    assert [type(rebuild(failed)) for failed in failures] == [ZeroDivisionError] * 2


@also_spawned
def test_modules_are_found_in_the_folders_that_the_worker_was_given(
    make_pool: MakePool, tmp_path: Path
) -> None:
    (tmp_path / "calls_of_a_user.py").write_text("def f(x):\n    return x + 1\n")
    plan = "calls_of_a_user:f"
    _, (failed,) = run_plan(make_pool(Permits(("calls_of_a_user",))), plan_map(plan, [1]))
    assert "--path FOLDER" in failed.message
    pool = make_pool(Permits(("calls_of_a_user",), paths=(str(tmp_path),)))
    assert run_plan(pool, plan_map(plan, [1, 2])) == ([2, 3], [])


@also_spawned
def test_pickled_functions_run_where_that_is_allowed(make_pool: MakePool) -> None:
    factor = 3
    options = CallOptions(serializer="cloudpickle")
    plan = plan_map(lambda value: value * factor, [1, "a"], options)
    assert run_plan(make_pool(Permits(pickle=True)), plan) == ([3, "aaa"], [])
