"""Calls that are under way at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from headrace.streams.lanes import Lanes
from headrace_wire import window
from headrace_wire.errors import UnreachableError
from headrace_wire.round_trip import FAR_SECONDS
from support.commands import wait_until

#: Seconds for what must come.
SECONDS = 20.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every answer comes soon, however busy the machine is; and no thread is left."""
    monkeypatch.setattr(window, "SOON_SECONDS", SECONDS)
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(SECONDS)
        assert not thread.is_alive()


def wait_long() -> None:
    time.sleep(2 * FAR_SECONDS)


def test_a_coordinator_at_hand_is_not_far() -> None:
    lanes = Lanes(int)
    assert not lanes.measure()
    assert not lanes.are_long


def test_each_answer_that_comes_soon_lets_one_more_call_be_under_way() -> None:
    with closing(Lanes(wait_long)) as lanes:
        assert lanes.measure()
        assert lanes.size == 1
        assert [lanes.begin(lambda: "answer").result(SECONDS) for _ in range(3)] == ["answer"] * 3
        wait_until(lambda: lanes.size == 4)


def test_calls_count_on_connections_only_that_are_there() -> None:
    connected = threading.Event()
    ways = iter([None, None])

    def look() -> None:
        wait_long()
        if next(ways, connected):  # all but the first two
            connected.wait(SECONDS)

    with closing(Lanes(look)) as lanes:
        assert lanes.measure()
        for _ in range(3):
            lanes.begin(int).result(SECONDS)
        assert lanes.size == 1
        connected.set()
        wait_until(lambda: lanes.size == 4)


def test_what_a_call_raises_is_told() -> None:
    def fail() -> None:
        raise UnreachableError("the coordinator went away")

    with closing(Lanes(wait_long)) as lanes:
        lanes.measure()
        with pytest.raises(UnreachableError, match="went away"):
            lanes.begin(fail).result(SECONDS)


def test_without_room_for_threads_calls_are_made_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Lanes(wait_long).begin(lambda: "answer").result(SECONDS) == "answer"
