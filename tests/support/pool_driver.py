"""Driving a pool in a test: batches of the probe service, and what comes back of them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire.batch import unpack_batch
from headrace_wire.encoding import pack
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.reports import DoneSpan
from headrace_worker.launch.start_methods import START_METHODS
from headrace_worker.pool.batch import Batch, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from support.polled_pool import Pool

#: Nothing in these tests takes longer, in seconds; a pool that is stuck fails the test.
PATIENCE_SECONDS = 90.0

#: Runs a test with each start method, and with a fork server of its own: for what depends on how a
#: slot is started, what it inherits, how it ends, and how that is learnt.
every_start_method = pytest.mark.parametrize("start_method", START_METHODS, indirect=True)

_keys = itertools.count(1)


def make_batch(
    operation: str = "act",
    tasks: int | range = 1,
    *,
    job: str = "job",
    service: str = "probe",
    inputs: Iterable[bytes] | None = None,
    timeout_seconds: float | None = None,
    attempt: int = 1,
    acts: dict[str, Any] | None = None,
    **more_acts: Any,
) -> Batch:
    """Make a batch of tasks; ``acts`` and ``more_acts`` are the operation's parameters.

    For "act" each is ``name=([indices], argument)``; no indices means every task.
    """
    indices = tasks if isinstance(tasks, range) else range(tasks)
    return Batch(
        next(_keys),
        job,
        service,
        operation,
        pack({**(acts or {}), **more_acts}),
        indices.start,
        indices.stop,
        attempt,
        None if inputs is None else tuple(inputs),
        timeout_seconds,
    )


@dataclass
class Outcomes:
    """What came back, by task: each list has one item if all is well."""

    values: dict[tuple[str, int], list[bytes]] = field(default_factory=dict)
    failures: dict[tuple[str, int], list[TaskFailure]] = field(default_factory=dict)
    done: list[DoneSpan] = field(default_factory=list)

    def add(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, DoneSpan):
                self.done.append(event)
                values = unpack_batch(event.values)
                assert len(values) == event.stop - event.start
                for index, value in zip(range(event.start, event.stop), values, strict=True):
                    self.values.setdefault((event.job, index), []).append(value)
            else:
                assert isinstance(event, TaskFailure)
                self.failures.setdefault((event.job, event.index), []).append(event)

    def indices(self, job: str = "job") -> list[int]:
        """The tasks of a job that have an outcome, each as often as it has one."""
        return sorted(
            index
            for where in (self.values, self.failures)
            for (owner, index), found in where.items()
            if owner == job
            for _ in found
        )

    def failed(self, job: str = "job") -> list[TaskFailure]:
        return [one for (owner, _), all_ in self.failures.items() if owner == job for one in all_]


def collect(
    pool: Pool, outcomes: Outcomes | None = None, *, until: Callable[[], bool] | None = None
) -> Outcomes:
    """Poll until nothing is outstanding, or until a condition holds."""
    outcomes = Outcomes() if outcomes is None else outcomes
    end = time.monotonic() + PATIENCE_SECONDS
    while pool.outstanding if until is None else not until():
        assert time.monotonic() < end, f"the pool is stuck with {sorted(pool.outstanding)}"
        outcomes.add(pool.poll(1.0 if until is None else 0.01))
    return outcomes


def attend(pool: Pool, *batches: Batch, outcomes: Outcomes | None = None) -> Outcomes:
    """``run``, as an agent does it: in an event loop, which watches the slots."""
    outcomes = Outcomes() if outcomes is None else outcomes
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(attend_in_loop(pool, *batches, outcomes=outcomes))
    return outcomes


async def attend_in_loop(pool: Pool, *batches: Batch, outcomes: Outcomes) -> None:
    """Take events when slots have something to say or a moment has come."""
    end = time.monotonic() + PATIENCE_SECONDS
    news = asyncio.Event()
    pool.attach(asyncio.get_running_loop(), news.set)
    try:
        for batch in batches:
            pool.submit(batch)
        outcomes.add(pool.take_events())
        while pool.outstanding:
            now = time.monotonic()
            assert now < end, f"the pool is stuck with {sorted(pool.outstanding)}"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, min(pool.due_seconds, end) - now)):
                    await news.wait()
            news.clear()
            outcomes.add(pool.take_events())
    finally:
        pool.detach()


def run(pool: Pool, *batches: Batch) -> Outcomes:
    """Submit batches and wait for the outcome of each task."""
    for batch in batches:
        pool.submit(batch)
    return collect(pool)


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
