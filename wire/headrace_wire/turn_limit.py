"""Limits calls that thousands of workers make at once: few of them run in one turn of the loop.

    lease, report ─► TurnLimit ─► some in this turn, the others in the next ones, in order

A turn of an event loop runs everything that is ready when it begins, and a handshake takes about
eight turns. With a thousand workers that all report something, turns took half a second, and the
handshakes of new clients timed out. So turns are kept short, and others are served in between.
Shorter turns cost more, because reports of one turn share a commit.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

#: The methods that workers call most.
CROWDED = frozenset({"lease", "report"})

#: How many seconds of processor time a turn should take.
TURN_SECONDS = 0.02

#: How many calls a turn runs at least, and the assumed seconds of a call before any was measured.
LEAST_CALLS = 8
USUAL_SECONDS = 0.0002

#: The weight of the last turn in the mean cost of a call.
WEIGHT = 0.2


class TurnLimit:
    """Counts the calls of each turn. For one event loop, in its thread."""

    def __init__(self) -> None:
        self._mean_seconds = USUAL_SECONDS
        self._begun = 0.0
        self._entered = 0
        self._calls = self._count_calls()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._watching = False

    def enter(self) -> bool:
        """Let a call run at once. Returns False if it has to ``wait``."""
        if self._waiting or self._entered >= self._calls:
            return False
        self._entered += 1
        self._watch()
        return True

    async def wait(self) -> None:
        """Wait until it is this call's turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._watch()
        await turn

    def _count_calls(self) -> int:
        return max(LEAST_CALLS, int(TURN_SECONDS / self._mean_seconds))

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._begun = time.thread_time()
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        """End a turn, and let the next calls run."""
        self._watching = False
        if self._entered:
            seconds = (time.thread_time() - self._begun) / self._entered
            self._mean_seconds += WEIGHT * (seconds - self._mean_seconds)
            self._calls = self._count_calls()
        self._entered = 0
        while self._waiting and self._entered < self._calls:
            turn = self._waiting.popleft()
            if not turn.done():  # otherwise its caller has gone
                turn.set_result(None)
                self._entered += 1
        if self._entered:
            self._watch()
