"""How a grid keeps in touch with its cluster, over one that a test makes up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Coroutine
from typing import Any

import pytest

from headrace_wire.errors import UnreachableError, UsageError
from headrace_wire.version import VERSION
from headrace_worker.engines import grid_base
from headrace_worker.engines.grid_base import GridBase


class MadeUpGrid(GridBase):
    """A cluster with a slot for each of ``places``, which have these versions of headrace."""

    title = "the made-up cluster"

    def __init__(self, **places: str) -> None:
        super().__init__("clerk", "desk:1", "desks")
        self.places = places
        self.is_away = False
        self.connections = 0
        self.changed = asyncio.Event()
        self.watch(self.changed.set, lambda _: None)

    async def _connect(self) -> None:
        if self.is_away:
            raise OSError("nobody there")
        self.connections += 1

    async def _disconnect(self) -> None:
        self.connections -= 1

    async def _leave(self) -> None:
        self.connections = 0

    async def _list_places(self) -> dict[str, int]:
        if self.is_away:
            raise OSError("nobody there")
        return dict.fromkeys(self.places, 1)

    async def _ask_versions(self, places: Collection[str]) -> dict[str, object]:
        return {place: self.places[place] for place in places}

    def _explain(self, error: Exception) -> str:
        return str(error)

    async def wait(self) -> None:
        """Wait until its slots have changed."""
        self.changed.clear()
        await asyncio.wait_for(self.changed.wait(), 30)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_base, "LOOK_SECONDS", 0.01)


SILENT_FOR_A_WHILE = r"no clerk answers at desk:1: nobody there \(tried for 0\.\d+ s\)$"


def run(check: Coroutine[Any, Any, None]) -> None:
    asyncio.run(check)


def test_slots_follow_the_places_that_have_headrace(caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        grid = MadeUpGrid(a=VERSION, b="0.0.1")
        await grid.open(0)
        assert grid.slots == 1
        grid.places["c"] = VERSION
        await grid.wait()
        assert (grid.slots, grid.shortage) == (2, "")
        del grid.places["a"], grid.places["c"]
        await grid.wait()
        assert grid.slots == 0
        assert grid.shortage.startswith("no desk of the made-up cluster has headrace")
        del grid.places["b"]
        await grid.wait()
        assert grid.shortage == "the made-up cluster has no desks: start some"
        await grid.close()

    run(check())
    assert "the desk b of the made-up cluster is not used: it has headrace 0.0.1" in caplog.text


def test_a_cluster_that_goes_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    async def check() -> None:
        grid = MadeUpGrid(a=VERSION)
        await grid.open(0)
        grid.is_away = True
        await grid.wait()
        assert (grid.slots, grid.connections) == (0, 0)
        assert grid.shortage == "the made-up cluster does not answer: start it again"
        grid.is_away = False
        await grid.wait()
        assert (grid.slots, grid.connections) == (1, 1)
        await grid.close()

    caplog.set_level(logging.INFO)
    run(check())
    assert [record.message for record in caplog.records] == [
        "the made-up cluster does not answer: nobody there; trying on",
        "the made-up cluster answers again",
    ]


def test_a_cluster_that_does_not_answer_is_tried_for_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def check() -> None:
        grid = MadeUpGrid(a=VERSION)
        grid.is_away = True
        with pytest.raises(UnreachableError, match=SILENT_FOR_A_WHILE):
            await grid.open(0.05)
        with pytest.raises(UnreachableError, match=r"no clerk answers at desk:1: nobody there$"):
            await grid.open(0)

    run(check())
    assert len(caplog.records) == 1


def test_a_cluster_without_headrace_is_of_no_use() -> None:
    async def check() -> None:
        with pytest.raises(UsageError, match="the desks of the made-up cluster have no headrace"):
            await MadeUpGrid(a="0.0.1").open(0)

    run(check())
