from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headrace_wire.framing import FrameTooLargeError, write_frame, write_header
from headrace_worker.link import sockets
from headrace_worker.link.channel import PoolEnd, SlotEnd, encode
from headrace_worker.link.failure import Failure
from headrace_worker.link.messages import (
    Lines,
    Loaded,
    PieceStopped,
    Progress,
    Ready,
    Retire,
    Retired,
    RunPiece,
    SlotMessage,
    TaskFailed,
    TaskLine,
    TasksDone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Ends = tuple[PoolEnd, SlotEnd, socket.socket]

#: One of each that a slot says.
SAID: list[SlotMessage] = [
    Ready(["a.module"]),
    Loaded("calls"),
    TasksDone(1, 5, 7, b"two values", {"found": 2.0}, 0.1, 0.2, (1, 0, 1)),
    TaskFailed(2, 7, Failure("ValueError", "no", "Traceback: no", b"detail"), "task 7", 0.1, 0.2),
    PieceStopped(2, 8),
    Lines([TaskLine("job", 9, 1, 1.5, "info", "text")]),
    Progress("job", 9, 0.5, None),
    Retired("memory"),
]


def make_frame(message: SlotMessage) -> bytes:
    return b"".join(write_frame(encode(message, 0)))


def make_piece(*inputs: bytes) -> RunPiece:
    about = ("calls", "map", b"\x80", (("name", "/proc/1/fd/5", 7),))
    return RunPiece(1, 2, 3, "job", 4, 0, len(inputs), inputs or None, about)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    pool_end = PoolEnd(ours)
    with theirs:
        yield pool_end, SlotEnd(theirs), theirs
    pool_end.close()


def test_messages_arrive_in_order_in_both_directions(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    asked = [make_piece(b"x" * number, b"") for number in range(100)]
    for message in asked:
        pool_end.post(message)
    pool_end.post(Retire("tasks"))
    pool_end.push()
    assert [slot_end.receive() for _ in range(101)] == [*asked, Retire("tasks")]
    slot_end.send(SAID[0])
    slot_end.send(*SAID[1:])
    assert list(pool_end.pull()) == SAID


def test_a_message_in_pieces_is_given_when_it_is_whole(ends: Ends) -> None:
    pool_end, _, theirs = ends
    frame = make_frame(SAID[2]) * 2
    for place in range(len(frame) - 1):
        theirs.sendall(frame[place : place + 1])
    assert list(pool_end.pull()) == [SAID[2]]
    theirs.sendall(frame[-1:])
    assert list(pool_end.pull()) == [SAID[2]]


def test_large_payloads_are_sent_from_where_they_are() -> None:
    payload = bytes(1 << 16)
    piece = make_piece(b"small", payload, b"small", payload)
    done = TasksDone(1, 0, 1, payload, {}, 0.0, 0.0, ())
    for message, times in ((piece, 2), (done, 1)):
        assert sum(part is payload for part in encode(message, len(payload))) == times


def test_text_that_is_no_utf_8_is_escaped(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    slot_end.send(Lines([TaskLine("job", 0, 1, 0.0, "info", "caf\udce9.jpg \ud800")]))
    (lines,) = pool_end.pull()
    assert isinstance(lines, Lines)
    assert lines.lines[0].text == "caf\\udce9.jpg \\ud800"


@pytest.mark.parametrize(
    "body", [b"", b"\x07", b"\x91\x63", b"\x92\x07\xa1\xff", b"\x92\x07\x01", b"\x91" * 100_000]
)
def test_what_is_no_message_is_an_error(ends: Ends, body: bytes) -> None:
    pool_end, _, theirs = ends
    theirs.sendall(write_header(len(body)) + body)
    with pytest.raises((ValueError, RecursionError)):
        list(pool_end.pull())


def test_a_frame_that_nobody_sends_is_an_error(ends: Ends) -> None:
    pool_end, _, theirs = ends
    theirs.sendall(b"\xff" * 64)
    with pytest.raises(FrameTooLargeError):
        list(pool_end.pull())


def test_pushing_to_a_slot_that_does_not_read_does_not_block(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    piece = make_piece(bytes(4 << 20))
    pool_end.post(piece)
    pool_end.push()
    assert pool_end.is_backed_up
    received: list[object] = []
    reader = threading.Thread(target=lambda: received.append(slot_end.receive()))
    reader.start()
    while pool_end.is_backed_up:
        pool_end.push()
    reader.join()
    assert received == [piece]


def test_what_a_dead_slot_had_sent_is_read_to_its_end(ends: Ends) -> None:
    pool_end, slot_end, theirs = ends
    slot_end.send(Retired("memory"))
    theirs.sendall(make_frame(Retired("never ended"))[:-1])
    theirs.close()
    assert list(pool_end.pull(to_the_end=True)) == [Retired("memory")]
    assert pool_end.ended


def test_pushing_to_a_dead_slot_is_harmless(ends: Ends) -> None:
    pool_end, _, theirs = ends
    theirs.close()
    pool_end.post(Retire("anyone?"))
    pool_end.push()
    assert not pool_end.is_backed_up


def test_a_pool_that_closed_its_end_is_the_end_for_the_slot(ends: Ends) -> None:
    pool_end, slot_end, _ = ends
    pool_end.close()
    with pytest.raises(EOFError):
        slot_end.receive()


@pytest.mark.parametrize("flags", [sockets._FLAGS, 0])
def test_open_files_come_with_their_own_message(
    ends: Ends, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: int
) -> None:
    monkeypatch.setattr(sockets, "_FLAGS", flags)  # macOS has none that closes them in programs
    pool_end, slot_end, _ = ends
    names = [b"first", b"second", b"third"]
    files: list[int] = []
    for name in names:
        (tmp_path / name.decode()).write_bytes(name)
        files.append(os.open(tmp_path / name.decode(), os.O_RDONLY))
    large = b"x" * (1 << 20)  # more than the socket takes at once
    pool_end.post(make_piece(large), len(large), files[:2])
    pool_end.post(make_piece(b"small"))
    pool_end.post(make_piece(large), len(large), files[2:])
    received: list[list[bytes]] = []

    def receive() -> None:
        for number in (2, 0, 1):
            slot_end.receive()
            taken = slot_end.take_files(number)
            received.append([os.read(file, 100) for file in taken])
            for file in taken:
                assert not os.get_inheritable(file)
                os.close(file)

    thread = threading.Thread(target=receive)
    thread.start()
    while pool_end.is_backed_up:
        pool_end.push()
    thread.join()
    assert received == [names[:2], [], names[2:]]
    for file in files:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file)


def test_open_files_that_nobody_took_are_closed(ends: Ends, tmp_path: Path) -> None:
    pool_end, _, _ = ends
    file = os.open(tmp_path, os.O_RDONLY)
    pool_end.post(make_piece(b"small"), 0, [file])
    pool_end.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)
