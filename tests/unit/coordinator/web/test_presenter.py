"""How many results are opened at a time, and what the process that does may read."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from headrace_coordinator.web import presenter
from headrace_coordinator.web.presenter import MOST_AT_ONCE, MOST_OF_KEY, Turns, choose_closed
from headrace_wire.errors import BusyError


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


def test_folders_are_closed_in_which_nothing_of_python_s_lies(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    folders = [tmp_path, link, Path(sys.prefix), Path(sys.prefix).parent, Path("/")]
    assert choose_closed(folders) == (str(tmp_path.resolve()),)
