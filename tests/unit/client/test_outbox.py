"""Inputs on their way out, and what an interrupt at any point leaves of them."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from headrace import outbox as module
from headrace.outbox import BATCH_TASKS, Outbox
from headrace_wire.batch import unpack_batch


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


def test_inputs_arrive_in_their_order() -> None:
    coordinator = Coordinator()
    outbox = Outbox(coordinator.take)
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
        outbox = Outbox(coordinator.take)
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
