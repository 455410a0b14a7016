"""Calls that are under way at the same time, where each of them takes a long way.

    sender thread ─ begin ─► daemon threads, one for each call of the window ─► coordinator

A link of 1 Gbit/s over 200 ms holds 25 MB. One call at a time would never fill it, nor would one
connection: the kernel keeps a few MB of each under way at most.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from headrace_wire.errors import HeadraceError
from headrace_wire.round_trip import RoundTrip
from headrace_wire.window import MOST_CALLS, Window

T = TypeVar("T")


class Lanes:
    """How many calls are to be under way, and threads that make them until ``close``: used by one
    thread. All may ask how long the way is.

    ``look`` is a call that is answered at once: what it takes says how far the coordinator is. Each
    thread begins with one, so that it has a connection before a call counts on it: to connect takes
    several round trips.
    """

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look
        self._round_trip = RoundTrip(first=1)
        self._window = Window(self._round_trip)
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._ready: deque[None] = deque()

    @property
    def size(self) -> int:
        """How many calls may be under way."""
        return max(1, min(self._window.size, len(self._ready)))

    @property
    def are_long(self) -> bool:
        """Whether the coordinator is far away, as far as that is known."""
        return bool(self._round_trip.seconds)

    def measure(self) -> bool:
        """Find out how far the coordinator is, unless that is known. Returns whether it is far."""
        if not self._round_trip.is_known:
            begun = time.monotonic()
            self._look()
            self._round_trip.note(time.monotonic() - begun)
        return self.are_long

    async def look(self) -> float:
        """The same in a coroutine that blocks. Returns how many seconds it is away, 0 if near."""
        self.measure()
        return self._round_trip.seconds

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """Have a call made in another thread; what it takes counts for how many there may be."""
        told: Future[T] = Future()

        def run() -> None:
            begun = time.monotonic()
            try:
                answer = call()
            except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
                told.set_exception(error)
            else:
                self._window.note(time.monotonic() - begun)
                told.set_result(answer)

        self._start_threads()
        if self._threads:
            self._calls.put(run)
        else:
            run()
        return told

    def close(self) -> None:
        """Let the threads end when they have made the calls that are begun."""
        for _ in self._threads:
            self._calls.put(None)

    def _start_threads(self) -> None:
        while len(self._threads) < MOST_CALLS:
            thread = threading.Thread(target=self._serve, name="headrace-lane", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # this process may have no more
                return
            self._threads.append(thread)

    def _serve(self) -> None:
        with suppress(HeadraceError):  # the call that comes says why
            self._look()
        self._ready.append(None)
        while call := self._calls.get():
            call()
