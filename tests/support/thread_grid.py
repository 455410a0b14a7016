"""A stand-in for another cluster: spans run in threads of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from headrace_wire.version import VERSION
from headrace_worker.engines.grid import OnNews
from headrace_worker.engines.span import run_span


class ThreadGrid:
    """A ``Grid`` with so many slots, of which a span that runs cannot be ended.

    ``trouble`` is what becomes of the next spans in place of their outcome, one after the other.
    """

    title = "a stand-in"
    is_own = True
    shortage = ""

    def __init__(self, slots: int, trouble: Sequence[Exception] = ()) -> None:
        self.slots = slots
        self.calls: list[bytes] = []
        self.brought: list[bytes] = []
        self.trouble = list(trouble)
        self.on_change: Callable[[], object] = lambda: None
        self._on_news: OnNews = lambda _: None

    def watch(self, on_change: Callable[[], object], on_news: OnNews) -> None:
        self.on_change, self._on_news = on_change, on_news

    async def share(self, content: bytes) -> bytes:
        self.brought.append(content)
        return content

    async def run(self, call: bytes, shared: Sequence[bytes]) -> bytes:
        self.calls.append(call)
        if self.trouble:
            raise self.trouble.pop(0)
        loop = asyncio.get_running_loop()

        def tell(news: bytes) -> None:
            loop.call_soon_threadsafe(self._on_news, news)

        running = asyncio.ensure_future(
            asyncio.to_thread(partial(run_span, VERSION, call, *shared, tell=tell))
        )
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    async def close(self) -> None:
        pass
