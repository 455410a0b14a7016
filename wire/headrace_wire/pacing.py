"""Paces calls that examine everything: the more there is, the longer they block the event loop.

A key has one such call of a method pending at a time, followed by a pause that grows with the time
that the call took. So others are served in between, however many connections one client opens for
such calls.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import Any, TypeVar, cast

from msgspec import Struct, field

Given = TypeVar("Given")

#: The methods that may take long.
PACED = frozenset(
    {
        "jobs", "count_jobs", "match", "workers", "names", "progress", "overview", "task_runs",
        "failure_groups", "running",
    }
)  # fmt: skip

#: The pause after a call, as a multiple of its duration.
PAUSES_PER_CALL = 3.0

#: After a call that took less than this many seconds, there is no pause.
SHORT_SECONDS = 0.002


class _Turn(Struct, eq=False):
    """The calls of one method by one key: how many there are, and when the next may begin."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: int = 0
    free_at: float = 0.0


class Pace:
    """Determines when a key may make its next call of a method."""

    def __init__(self) -> None:
        #: Those with pending calls, or in a pause. Others are forgotten, because there is no limit
        #: to the number of jobs' tokens.
        self._turns: defaultdict[tuple[str, str], _Turn] = defaultdict(_Turn)

    def __len__(self) -> int:
        return len(self._turns)

    async def take(
        self, key: str, method: str, call: Callable[[], Coroutine[Any, Any, Given]]
    ) -> Given:
        """Make a call when it is this key's turn. Raises the errors of the call."""
        who = key, method
        turn = self._turns[who]
        turn.calls += 1
        try:
            async with turn.lock:
                pause = turn.free_at - time.monotonic()
                if pause > 0:
                    await asyncio.sleep(pause)
                spent = Spent()
                try:
                    return await measure(call(), spent)
                finally:
                    if spent.seconds > SHORT_SECONDS:
                        turn.free_at = time.monotonic() + PAUSES_PER_CALL * spent.seconds
        finally:
            turn.calls -= 1
            if not turn.calls:
                pause = max(0.0, turn.free_at - time.monotonic())
                asyncio.get_running_loop().call_later(pause, self._forget, who, turn.free_at)

    def _forget(self, who: tuple[str, str], free_at: float) -> None:
        """Forget a turn whose pause is over, unless there have been calls since."""
        turn = self._turns.get(who)
        if turn and not turn.calls and turn.free_at == free_at:
            del self._turns[who]


class Spent(Struct):
    """For how long a call has blocked the event loop."""

    seconds: float = 0.0


@coroutine
def measure(call: Coroutine[Any, Any, Given], spent: Spent) -> Generator[Any, Any, Given]:
    """Make a call, and measure only its own steps, because others run while it waits."""
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
        except BaseException as error:  # noqa: BLE001 - it is passed on to the call
            step = partial(call.throw, error)
        else:
            step = partial(call.send, None)
