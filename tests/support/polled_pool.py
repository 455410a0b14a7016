"""A pool for tests that are no coroutines: it is polled, and has an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from headrace_worker.launch.choosing import make_launcher
from headrace_worker.launch.launcher import Launcher
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.loader import DEFAULT_LOADER
from headrace_worker.machine.processes import read_rss_bytes
from headrace_worker.pool import pool
from headrace_worker.slot.slot import SlotSettings
from headrace_worker.wake import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace_wire.messages.reports import ReturnedSpan
    from headrace_worker.pool.batch import Event


class SlotStats(NamedTuple):
    """A slot's process number, its resident memory, and whether it holds tasks."""

    pid: int
    rss_bytes: int
    busy: bool


class Pool(pool.Pool):
    """Slots are started by a method, or by a launcher that others use, too.

    ``loader`` finds services; ``preload`` are modules that the fork server imports beforehand.
    All else is as in ``SlotSettings``. What attaches it to another event loop detaches it again.
    """

    def __init__(
        self,
        slots: int,
        start: str | Launcher = DEFAULT_METHOD,
        *,
        loader: str = DEFAULT_LOADER,
        preload: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        launcher = start
        if isinstance(launcher, str):
            launcher = make_launcher(launcher, (loader.partition(":")[0], *preload))
        with contextlib.ExitStack() as stack:
            self._loop = asyncio.new_event_loop()
            stack.callback(self._loop.close)
            self._came = asyncio.Event()
            super().__init__(slots, launcher, SlotSettings(loader, **settings))
            self.detach()
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self.close(kill=True)

    def detach(self) -> None:
        """Have its own event loop watch it."""
        self.attach(self._loop, self._came.set)

    def close(self, **how: Any) -> list[ReturnedSpan]:
        try:
            return super().close(**how)
        finally:
            self._loop.close()

    def take_restarts(self) -> Counter[str]:
        """Take how many slots have ended since the last call, by reason."""
        restarts = Counter(self.tally.restarts)
        self.tally.restarts.clear()
        return restarts

    def stats(self) -> list[SlotStats]:
        return [
            SlotStats(slot.pid, read_rss_bytes(slot.pid), bool(slot.pieces))
            for slot in self._supervisor.slots
        ]

    def poll(self, timeout_seconds: float | None = None) -> list[Event]:
        """Wait for events, news of tasks, or the time limit (None: without end)."""
        end = inf if timeout_seconds is None else time.monotonic() + timeout_seconds
        events = self._loop.run_until_complete(self._poll(end))
        return events + self.take_events()  # what came while the loop stopped

    async def _poll(self, end: float) -> list[Event]:
        for _ in range(2):
            await asyncio.sleep(0)  # what has come is heard, also where there is no time to wait
        while True:
            events = self.take_events()
            if events or time.monotonic() >= end:
                return events
            await wait_until(self._came, min(end, self.due_seconds))
