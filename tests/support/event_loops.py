"""Tests that are coroutines: each in an event loop of its own, and with an end."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from support.commands import wait_until

Arguments = ParamSpec("Arguments")

#: Seconds for a whole test.
PATIENCE_SECONDS = 60.0


def in_event_loop(
    test: Callable[Arguments, Coroutine[Any, Any, None]],
) -> Callable[Arguments, None]:
    """Make a test of a coroutine function."""

    @functools.wraps(test)
    def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await test(*arguments, **named)

        asyncio.run(bounded(), debug=True)

    return run


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, while the event loop goes on."""
    await asyncio.to_thread(wait_until, condition)


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and see it end by that."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
