"""Memory goes back to the system after many connections."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from headrace_wire import guard as guard_module
from headrace_wire.guard import CLEANUP_ROUNDS, CONNECTIONS_PER_CLEANUP, Guard


class Cycle:
    """Something that the garbage collector alone lets go of."""

    def __init__(self, gone: list[int]) -> None:
        self._me = self
        self._gone = gone

    def __del__(self) -> None:
        self._gone.append(1)


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often memory was given back."""
    times: list[int] = []
    monkeypatch.setattr(guard_module, "give_blocks_back", lambda: times.append(1))
    monkeypatch.setattr(guard_module, "CONNECTIONS_CLEANUP_SECONDS", 0.001)
    monkeypatch.setattr(guard_module, "MANY_BLOCKS", sys.maxsize)
    return times


def end_connections(count: int, given_back: list[int], wanted: int) -> list[int]:
    """Have connections end, and wait until memory was given back so often."""
    gone: list[int] = []

    async def main() -> None:
        guard = Guard(1 << 20)
        Cycle(gone)
        for _ in range(count):
            guard.note_end()
        while len(given_back) < wanted:  # noqa: ASYNC110 - a list is no event
            await asyncio.sleep(0)
        assert (guard._cleanup is None) == (
            count < CONNECTIONS_PER_CLEANUP or wanted > CLEANUP_ROUNDS
        )
        guard.close()

    gc.disable()
    try:
        asyncio.run(asyncio.wait_for(main(), 30))
    finally:
        gc.enable()
    return gone


def test_a_crowd_that_has_gone_leaves_no_garbage(given_back: list[int]) -> None:
    assert end_connections(CONNECTIONS_PER_CLEANUP, given_back, CLEANUP_ROUNDS + 1) == [1]


def test_a_few_connections_are_nothing_to_tidy_up_after(given_back: list[int]) -> None:
    assert end_connections(CONNECTIONS_PER_CLEANUP - 1, given_back, 0) == []


def test_garbage_is_left_to_python_where_collecting_it_would_keep_others_waiting(
    given_back: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "MANY_BLOCKS", 0)
    assert end_connections(CONNECTIONS_PER_CLEANUP, given_back, CLEANUP_ROUNDS + 1) == []
