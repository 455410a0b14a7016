"""Calls that a test makes from an event loop, and answers that wait at a gate."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace_wire.api import JobQueueApi
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobStatus
from support.wire_messages import make_message
from support.wire_server import KEY, PATIENCE_SECONDS, Gate, Served

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


def answer_by_name(served: Served) -> None:
    """Let ``status`` say which job was asked about, so that no answer looks like another."""
    served.jobs.answers["status"] = lambda job: make_message(JobStatus, id=job)


def answer_at_gate(served: Served) -> Gate:
    """Let ``status`` wait at a gate."""
    gate = Gate(served.loop)

    async def answer(job: str) -> JobStatus:
        await gate.wait()
        return make_message(JobStatus, id=job)

    served.jobs.answers["status"] = answer
    return gate


async def ask(caller: AsyncCaller[JobQueueApi], job: str) -> str:
    return (await caller.call(JobQueueApi.status, job)).id


def begin(caller: AsyncCaller[JobQueueApi], job: str) -> asyncio.Task[str]:
    return asyncio.create_task(ask(caller, job))


async def reach(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)
