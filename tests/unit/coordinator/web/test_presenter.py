"""How many results are opened at a time, and what the process that does may read."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from headrace_coordinator.web import presenter
from headrace_coordinator.web.presenter import (
    MOST_AT_ONCE,
    MOST_OF_KEY,
    Presenter,
    Summary,
    Turns,
    choose_closed,
)
from headrace_wire.errors import BusyError
from headrace_wire.messages.results import ResultSpan
from headrace_wire.presenting import Order
from support.event_loops import until


def test_no_key_has_all_turns_and_whoever_waits_gets_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def check() -> None:
        turns = Turns()
        async with AsyncExitStack() as others:
            for _ in range(MOST_AT_ONCE - MOST_OF_KEY):
                await others.enter_async_context(turns.take("other"))
            async with AsyncExitStack() as own:
                for _ in range(MOST_OF_KEY):
                    await own.enter_async_context(turns.take("own"))
                waiting = asyncio.create_task(others.enter_async_context(turns.take("third")))
                await asyncio.sleep(0)
                assert not waiting.done()
            await waiting
            for _ in range(MOST_OF_KEY - 1):
                await others.enter_async_context(turns.take("own"))
            monkeypatch.setattr(presenter, "TURN_SECONDS", 0.01)
            with pytest.raises(BusyError, match="try again later"):
                await others.enter_async_context(turns.take("own"))

    asyncio.run(check())


class Slow(Presenter):
    """Sums up when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.ended: list[str] = []

    async def sum_up(self, key: str, order: Order, spans: AsyncIterator[ResultSpan]) -> Summary:
        self.begun.append(key)
        try:
            await self.go.wait()
        finally:
            self.ended.append(key)
        return Summary(message=key)


def test_pages_that_want_one_summary_share_it_and_it_ends_with_the_last_of_them() -> None:
    async def check() -> None:
        presenter = Slow()
        order = Order("calls", "map", b"", 1, 1, ended=True, summary=True)

        def want(key: str, stage: int) -> asyncio.Task[Summary]:
            spans: Any = None
            return asyncio.create_task(presenter.summarize(key, stage, order, spans))

        first, second, other, later = want("a", 1), want("a", 1), want("b", 1), want("a", 2)
        await until(lambda: len(presenter.begun) == 3)
        assert presenter.begun == ["a", "b", "a"]
        for gone in (first, later):
            gone.cancel()
        await asyncio.wait([first, later])
        await until(lambda: bool(presenter.ended))
        assert presenter.ended == ["a"]  # the later stage has nobody any more
        presenter.go.set()
        assert [(await one).message for one in (second, other)] == ["a", "b"]
        assert (await want("a", 1)).message == "a"
        assert presenter.begun == ["a", "b", "a", "a"]

    asyncio.run(check())


def test_folders_are_closed_in_which_nothing_of_python_s_lies(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    folders = [tmp_path, link, Path(sys.prefix), Path(sys.prefix).parent, Path("/")]
    assert choose_closed(folders) == (str(tmp_path.resolve()),)
