"""An event loop in a thread of its own, for tests that look at it from outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

from headrace_wire.system.event_loop import run

Given = TypeVar("Given")

#: Seconds for what must come.
PATIENCE_SECONDS = 20.0

#: Rounds of the loop in which what is ready has been done, with all that it leads to at once.
ROUNDS = 10


class LoopThread:
    """Runs coroutines, entered until left; what still runs then is cancelled."""

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: run(self._serve()), name="loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(PATIENCE_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_SECONDS)

    def begin(self, call: Coroutine[Any, Any, Given]) -> Future[Given]:
        """Let a coroutine run."""
        return asyncio.run_coroutine_threadsafe(call, self.loop)

    def answer(self, call: Coroutine[Any, Any, Given]) -> Given:
        """Return what a coroutine does, or raise what it raises."""
        return self.begin(call).result(PATIENCE_SECONDS)

    def run(self, function: Callable[[], Given]) -> Given:
        """Call a function in the loop's thread."""

        async def call() -> Given:
            return function()

        return self.answer(call())

    def settle(self) -> None:
        """Let what is ready now be done."""

        async def wait() -> None:
            for _ in range(ROUNDS):
                await asyncio.sleep(0)

        self.answer(wait())

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._started.set()
        await self._stop.wait()
