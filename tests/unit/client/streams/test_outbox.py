"""Inputs on their way out, and what an interrupt at any point leaves of them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import FrameType
from typing import Any

import pytest

from headrace.streams import outbox as module
from headrace.streams.lanes import Lanes
from headrace.streams.outbox import BATCH_TASKS, FAR_BATCH_BYTES, Outbox
from headrace_wire import window
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import UnreachableError
from headrace_wire.round_trip import FAR_SECONDS

#: Seconds for what must come.
SECONDS = 20.0


class Interrupted(Exception):  # noqa: N818 - not an error
    pass


class Coordinator:
    """Takes batches as the coordinator does: again what it has, and nothing with a gap."""

    def __init__(self) -> None:
        self.items: list[bytes] = []

    def take(self, start: int, packed: bytes) -> None:
        batch = [bytes(item) for item in unpack_batch(packed)]
        if start + len(batch) <= len(self.items):
            assert self.items[start : start + len(batch)] == batch
            return
        assert start == len(self.items)
        self.items += batch


class FarCoordinator(Coordinator):
    """Takes batches in their order, and gives others time to be under way at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()
        self._under_way = 0
        #: How many were under way at a time at most.
        self.most = 0

    def take(self, start: int, packed: bytes) -> None:
        self.wait()
        with self._changed:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._under_way > 1, 10 * FAR_SECONDS)
            assert self._changed.wait_for(lambda: start == len(self.items), SECONDS)
            super().take(start, packed)
            self._under_way -= 1
            self._changed.notify_all()

    def wait(self) -> None:
        """Take as long as what has a long way."""
        time.sleep(2 * FAR_SECONDS)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer comes soon, however busy the machine is."""
    monkeypatch.setattr(window, "SOON_SECONDS", SECONDS)


def push_all(outbox: Outbox, on_sent: Callable[[], object] = int) -> None:
    outbox.open()
    while outbox.advance(on_sent):
        pass


@pytest.mark.usefixtures("soon")
def test_to_a_coordinator_far_away_several_batches_are_under_way() -> None:
    coordinator = FarCoordinator()
    items = [bytes([number]) * FAR_BATCH_BYTES for number in range(8)]
    sent: list[int] = []
    with closing(Lanes(coordinator.wait)) as lanes:
        outbox = Outbox(coordinator.take, lanes)
        outbox.add(items)
        push_all(outbox, lambda: sent.append(outbox.sent))
    assert coordinator.items == items
    assert coordinator.most > 1
    assert sorted(set(sent)) == list(range(1, 9)), "who waits for one is told at once"


def test_what_ends_one_of_several_batches_ends_them_all() -> None:
    def refuse(start: int, packed: bytes) -> None:
        del packed
        time.sleep(2 * FAR_SECONDS)
        if start > 1:
            raise UnreachableError("the coordinator went away")

    with closing(Lanes(lambda: time.sleep(2 * FAR_SECONDS))) as lanes:
        outbox = Outbox(refuse, lanes)
        outbox.add([bytes(FAR_BATCH_BYTES)] * 4)
        with pytest.raises(UnreachableError, match="went away"):
            push_all(outbox)
    assert outbox.sent < outbox.count


def test_inputs_arrive_in_their_order() -> None:
    coordinator = Coordinator()
    outbox = Outbox(coordinator.take, Lanes(int))
    items = [b"%d" % number for number in range(3 * BATCH_TASKS)]
    assert outbox.add(items[:10]) == 0
    assert not outbox.push(), "nothing goes before the job is there"
    outbox.open()
    assert outbox.add(items[10:]) == 10
    while outbox.push():
        pass
    assert coordinator.items == items
    assert outbox.sent == outbox.count == len(items)


def interrupt_at(step: int) -> Any:
    """A profile function that raises at the so-manyeth place where a signal's handler may run.

    That is where a function of Python begins, and after one of C has returned.
    """
    left = step

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal left
        del arg
        if frame.f_code.co_filename == module.__file__ and event in {"call", "c_return"}:
            left -= 1
            if not left:
                raise Interrupted

    return profile


def test_an_interrupt_anywhere_loses_and_doubles_nothing() -> None:
    interrupted = 0
    for step in range(1, 80):
        coordinator = Coordinator()
        outbox = Outbox(coordinator.take, Lanes(int))
        outbox.open()
        outbox.add([b"before"])
        before = sys.getprofile()
        sys.setprofile(interrupt_at(step))
        try:
            outbox.push()
            outbox.add([b"during"])
            outbox.push()
        except Interrupted:
            interrupted += 1
        finally:
            sys.setprofile(before)
        index = outbox.add([b"after"])
        while outbox.push():
            pass
        assert coordinator.items[0] == b"before"
        assert coordinator.items[index:] == [b"after"]
        assert coordinator.items in ([b"before", b"during", b"after"], [b"before", b"after"])
    assert 10 < interrupted < 79, "each place was tried"
