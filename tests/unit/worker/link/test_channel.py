from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from headrace_wire.parts import join
from headrace_worker.link.channel import PoolEnd, SlotEnd, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

Ends = tuple[PoolEnd, SlotEnd, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    pool_end = PoolEnd(ours)
    with theirs:
        yield pool_end, SlotEnd(theirs), theirs
    pool_end.close()


def test_messages_arrive_in_order_in_both_directions(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    for number in range(100):
        pool_end.post([number, b"x" * number])
    pool_end.push()
    assert [slot_end.receive() for _ in range(100)] == [[n, b"x" * n] for n in range(100)]
    slot_end.send(["a"], ["b", None, 1.5])
    assert list(pool_end.pull()) == [["a"], ["b", None, 1.5]]


def test_a_message_in_pieces_is_given_when_it_is_whole(ends: Ends) -> None:
    pool_end, _, theirs = ends
    frame = join(encode([1, "two"])) * 2
    for place in range(len(frame) - 1):
        theirs.sendall(frame[place : place + 1])
    assert list(pool_end.pull()) == [[1, "two"]]
    theirs.sendall(frame[-1:])
    assert list(pool_end.pull()) == [[1, "two"]]


def test_pushing_to_a_slot_that_does_not_read_does_not_block(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    body = bytes(4 << 20)
    pool_end.post([body])
    pool_end.push()
    assert pool_end.is_backed_up
    received: list[object] = []
    reader = threading.Thread(target=lambda: received.append(slot_end.receive()))
    reader.start()
    while pool_end.is_backed_up:
        pool_end.push()
    reader.join()
    assert received == [[body]]


def test_what_a_dead_slot_had_sent_is_read_to_its_end(ends: Ends) -> None:
    pool_end, slot_end, theirs = ends
    slot_end.send(["last words"])
    theirs.sendall(join(encode(["never ended"]))[:-1])
    theirs.close()
    assert list(pool_end.pull(to_the_end=True)) == [["last words"]]
    assert pool_end.ended


def test_pushing_to_a_dead_slot_is_harmless(ends: Ends) -> None:
    pool_end, _, theirs = ends
    theirs.close()
    pool_end.post(["anyone?"])
    pool_end.push()
    assert not pool_end.is_backed_up


def test_a_pool_that_closed_its_end_is_the_end_for_the_slot(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    pool_end.close()
    with pytest.raises(EOFError):
        slot_end.receive()
