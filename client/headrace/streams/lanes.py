"""Concurrent calls to a coordinator that is far away.

    sender thread ─ begin ─► daemon threads, one for each call of the window ─► coordinator

On a link of 1 Gbit/s with a round trip of 200 ms, 25 MB can be in transit. Neither one call at a
time nor one connection can fill it: the kernel keeps at most a few MB per connection in transit.
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
    """Chooses how many calls are made concurrently, and makes them in threads until ``close``.

    It is used by one thread; any thread may ask whether the coordinator is far away. ``look`` is a
    call that is answered at once, so its duration is the round trip to the coordinator. Each thread
    calls it first, so that it has a connection before it makes its first real call: connecting
    takes several round trips.
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
        """How many calls may be pending at the same time."""
        return max(1, min(self._window.size, len(self._ready)))

    @property
    def are_long(self) -> bool:
        """Whether the coordinator is known to be far away."""
        return bool(self._round_trip.seconds)

    def measure(self) -> bool:
        """Measure the round trip to the coordinator once. Returns whether it is far away."""
        if not self._round_trip.is_known:
            begun = time.monotonic()
            self._look()
            self._round_trip.note(time.monotonic() - begun)
        return self.are_long

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """Start a call in another thread; its duration helps to choose how many may be pending."""
        future: Future[T] = Future()

        def run() -> None:
            begun = time.monotonic()
            try:
                answer = call()
            except BaseException as error:  # noqa: BLE001 - the caller that waits gets it
                future.set_exception(error)
            else:
                self._window.note(time.monotonic() - begun)
                future.set_result(answer)

        self._start_threads()
        if self._threads:
            self._calls.put(run)
        else:
            run()
        return future

    def close(self) -> None:
        """End the threads after the calls that were started."""
        for _ in self._threads:
            self._calls.put(None)

    def _start_threads(self) -> None:
        while len(self._threads) < MOST_CALLS:
            thread = threading.Thread(target=self._serve, name="headrace-lane", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the limit of threads is reached
                return
            self._threads.append(thread)

    def _serve(self) -> None:
        with suppress(HeadraceError):  # the next call raises the same error
            self._look()
        self._ready.append(None)
        while call := self._calls.get():
            call()
