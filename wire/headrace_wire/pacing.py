"""Calls that look at all there is: the more there is, the longer they hold the event loop up.

A key has one such call of a method under way at a time, and after it a pause that grows with the
time that it took. So however many connections somebody opens for them, others are served between.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar, cast

from msgspec import Struct

Given = TypeVar("Given")

#: The methods that may take long.
PACED = frozenset(
    {
        "jobs", "count_jobs", "match", "workers", "names", "progress", "overview", "task_runs",
        "failure_groups", "running",
    }
)  # fmt: skip

#: The pause after a call, in times of what it took.
PAUSES_PER_CALL = 3.0

#: A call that took less, in seconds, is followed by none.
SHORT_SECONDS = 0.002


class Pace:
    """When a key may make its next call of a method."""

    def __init__(self) -> None:
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._free_at: dict[tuple[str, str], float] = {}

    async def take(
        self, key: str, method: str, call: Callable[[], Coroutine[Any, Any, Given]]
    ) -> Given:
        """Make a call when it is this key's turn. Raises what the call does."""
        who = key, method
        async with self._turns[who]:
            pause = self._free_at.get(who, 0.0) - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            spent = Spent()
            try:
                return await measure(call(), spent)
            finally:
                if spent.seconds > SHORT_SECONDS:
                    self._free_at[who] = time.monotonic() + PAUSES_PER_CALL * spent.seconds


class Spent(Struct):
    """For how long a call has held the event loop up."""

    seconds: float = 0.0


@coroutine
def measure(call: Coroutine[Any, Any, Given], spent: Spent) -> Generator[Any, Any, Given]:
    """Make a call, and measure its own steps: others have their turn while it waits."""
    step: Callable[[], Any] = partial(call.send, None)
    while True:
        begun = time.thread_time()
        try:
            waits = step()
        except StopIteration as end:
            return cast("Given", end.value)
        finally:
            spent.seconds += time.thread_time() - begun
        try:
            yield waits
        except BaseException as error:  # noqa: BLE001 - it goes to the call
            step = partial(call.throw, error)
        else:
            step = partial(call.send, None)
