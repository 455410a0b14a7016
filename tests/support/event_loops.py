"""Tests that are coroutines: each in an event loop of its own, asyncio's and uvloop's.

On Python 3.11 each runs in both. On others asyncio's alone, which differs from version to version:
coordinator and workers of the integration tests run in uvloop's there, too.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

import pytest

from headrace_wire.system.event_loop import make_event_loop
from support.commands import wait_until

Arguments = ParamSpec("Arguments")

#: Seconds for a whole test.
PATIENCE_SECONDS = 60.0

FACTORIES = {"asyncio": asyncio.new_event_loop}
if sys.version_info < (3, 12):
    FACTORIES["fastest"] = make_event_loop


def in_event_loop(
    test: Callable[Arguments, Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Make a test of a coroutine function, for each kind of event loop."""

    @functools.wraps(test)
    def run(event_loop_kind: str, *arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await test(*arguments, **named)

        with asyncio.Runner(debug=True, loop_factory=FACTORIES[event_loop_kind]) as runner:
            runner.run(bounded())

    signature = inspect.signature(test)
    kind = inspect.Parameter("event_loop_kind", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [kind, *signature.parameters.values()]
    made: Any = run
    made.__signature__ = signature.replace(parameters=parameters)  # which pytest reads
    marked: Callable[..., None] = pytest.mark.parametrize("event_loop_kind", FACTORIES)(run)
    return marked


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds, while the event loop goes on."""
    await asyncio.to_thread(wait_until, condition)


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and see it end by that."""
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
