"""Calls that a test makes from an event loop."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace_wire.api import JobQueueApi
from headrace_wire.manager import QueueManager
from support.wire_server import KEY, PATIENCE_SECONDS, Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace_wire.address import Address
    from headrace_wire.async_caller import AsyncCaller
    from headrace_wire.errors import UnreachableError


@contextmanager
def open_caller(
    address: Address,
    *,
    key: bytes = KEY,
    patience_seconds: float = 0.0,
    answer_seconds: float = PATIENCE_SECONDS,
    on_lost: Callable[[UnreachableError], None] | None = None,
) -> Iterator[AsyncCaller[JobQueueApi]]:
    manager = QueueManager(address, key, patience_seconds=patience_seconds, on_lost=on_lost)
    caller = manager.async_jobs(answer_seconds)
    try:
        yield caller
    finally:
        caller.close()


async def ask(caller: AsyncCaller[JobQueueApi], job: str) -> str:
    return (await caller.call(JobQueueApi.status, job)).id


def begin(caller: AsyncCaller[JobQueueApi], job: str) -> asyncio.Task[str]:
    return asyncio.create_task(ask(caller, job))


async def reach(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)
