"""A pool that an event loop watches, as in an agent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from headrace_worker.pool import slot_process, supervisor
from support.polled_pool import Pool
from support.pool_driver import Outcomes, attend_in_loop, make_batch, run
from support.pool_probe_service import LOADER, die_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

# Another test may have loaded a library with native threads, which Python 3.12 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


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
