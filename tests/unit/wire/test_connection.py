"""One connection, over a pair of TCP sockets."""

from __future__ import annotations

import gc
import socket
import struct
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire import connection as wire
from headrace_wire.connection import MsgpackConnection, OwnedSocket, check_frame
from headrace_wire.encoding import pack
from headrace_wire.errors import UnreachableError, UsageError
from headrace_wire.framing import EAGER_BYTES, MAX_FRAME_BYTES, FrameTooLargeError
from headrace_wire.greeting import unpack_frame
from support.wire_server import make_tcp_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

Ends = tuple[MsgpackConnection, socket.socket]


class CountingSocket(OwnedSocket):
    """Counts the writes; takes no more than ``most`` bytes of the first one."""

    most: int | None = None
    writes = 0

    def sendmsg(self, buffers, *_):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN201
        self.writes += 1
        if self.most is None:
            return super().sendmsg(buffers)
        return super().send(b"".join(buffers)[: self.most])

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.writes += 1
        super().sendall(data, flags)


@pytest.fixture
def ends() -> Iterator[Ends]:
    near, far = make_tcp_pair()
    link = MsgpackConnection(near)
    link._socket = CountingSocket(fileno=link._socket.detach())
    far.settimeout(20)
    with far:
        yield link, far
    link.close()


def read_frame(sock: socket.socket) -> bytes:
    # Not by MSG_WAITALL: of a socket with a time limit it gives what has come.
    with sock.makefile("rb") as file:
        (length,) = struct.unpack("!i", file.read(4))
        return file.read(length)


def test_nagles_algorithm_is_off(ends: Ends) -> None:
    link, _ = ends
    assert link._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 20_000, 40_000, 100_000])
def test_header_and_body_go_in_one_write(ends: Ends, size: int) -> None:
    link, far = ends
    link.send_parts([b"x" * size])
    assert link._socket.writes == 1  # type: ignore[attr-defined] # a CountingSocket
    assert read_frame(far) == b"x" * size


@pytest.mark.parametrize("most", [1, 3, 4, 5, 1000])
def test_a_write_that_takes_only_a_part_is_finished(ends: Ends, most: int) -> None:
    link, far = ends
    link._socket.most = most  # type: ignore[attr-defined] # a CountingSocket
    body = bytes(range(256)) * 100
    link.send_parts([body])
    assert read_frame(far) == body


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("!i", 4097),
        struct.pack("!i", 0x7FFFFFFF),
        struct.pack("!i", -2),
        struct.pack("!iQ", -1, 2 << 30),
        struct.pack("!iQ", -1, 2**64 - 1),
    ],
)
def test_a_frame_over_the_cap_is_refused_at_its_header(ends: Ends, header: bytes) -> None:
    link, far = ends
    far.sendall(header)
    tracemalloc.start()
    try:
        with pytest.raises(FrameTooLargeError):
            link.receive()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_the_cap_rises_with_trust_and_has_an_end(ends: Ends) -> None:
    link, far = ends
    link.trust()
    far.sendall(struct.pack("!i", 4097) + bytes(4097))
    assert len(link.receive()) == 4097
    far.sendall(struct.pack("!i", MAX_FRAME_BYTES + 1))
    with pytest.raises(FrameTooLargeError):
        link.receive()


def test_memory_grows_with_what_arrives_and_not_with_what_is_announced(ends: Ends) -> None:
    link, far = ends
    link.trust()
    far.sendall(struct.pack("!i", 200 << 20) + b"a little")
    far.shutdown(socket.SHUT_WR)
    tracemalloc.start()
    try:
        with pytest.raises(EOFError):
            link.receive()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2 * EAGER_BYTES


@pytest.mark.parametrize(
    "sent", [b"", b"\x00", struct.pack("!i", 5), struct.pack("!i", 5) + b"abc"]
)
def test_an_end_in_the_middle_of_a_frame_is_an_end_of_file(ends: Ends, sent: bytes) -> None:
    link, far = ends
    far.sendall(sent)
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        link.receive()


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x81\x90\x01", b"\x92\x01", b"(lp0\n."])
def test_a_frame_that_is_no_msgpack_is_an_end_of_file(ends: Ends, body: bytes) -> None:
    link, far = ends
    far.sendall(struct.pack("!i", len(body)) + body)
    with pytest.raises(EOFError, match="malformed"):
        unpack_frame(link.receive())


def test_a_read_ends_at_the_deadline(ends: Ends) -> None:
    link, far = ends
    link.set_deadline(0.05)
    far.sendall(b"\x00")
    with pytest.raises(TimeoutError):
        link.receive()
    with pytest.raises(TimeoutError):  # the deadline is one moment, not a time for each read
        link.receive()


def test_a_write_ends_at_the_deadline(ends: Ends) -> None:
    link, _ = ends
    link.set_deadline(0.05)
    with pytest.raises(TimeoutError):
        link.send_parts([bytes(64 << 20)])


def test_a_deadline_can_be_lifted(ends: Ends) -> None:
    link, far = ends
    link.set_deadline(0.0)
    with pytest.raises(TimeoutError):
        link.receive()
    link.set_deadline(None)
    far.sendall(struct.pack("!i", 1) + b"\x07")
    assert link.receive() == b"\x07"


def test_a_slow_frame_arrives_however_long_it_takes_as_long_as_it_moves(ends: Ends) -> None:
    link, far = ends
    link.set_stall_limit(0.8)
    drops = [bytes([drop]) for drop in struct.pack("!i", 100) + pack(b"x" * 98)]
    pause = threading.Event()

    def drip() -> None:
        for drop in drops:
            far.sendall(drop)
            pause.wait(0.01)

    dripping = threading.Thread(target=drip)
    started = time.monotonic()
    dripping.start()
    assert unpack_frame(link.receive()) == b"x" * 98
    assert time.monotonic() - started > 0.8
    dripping.join()


def test_a_read_ends_when_nothing_moves(ends: Ends) -> None:
    link, far = ends
    link.set_stall_limit(0.05)
    far.sendall(b"\x00")
    for _ in range(2):
        with pytest.raises(TimeoutError):
            link.receive()


def test_a_write_ends_when_nothing_moves(ends: Ends) -> None:
    link, _ = ends
    link.set_stall_limit(0.05)
    with pytest.raises(TimeoutError):
        link.send_parts([bytes(64 << 20)])


def test_a_reader_is_woken_from_another_thread(ends: Ends) -> None:
    link, _ = ends
    timer = threading.Timer(0.01, link.interrupt)
    timer.start()
    with pytest.raises(EOFError):
        link.receive()
    timer.join()


def test_a_message_over_the_cap_is_refused_before_a_byte_of_it_goes(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, far = ends
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", 1000)
    with pytest.raises(UsageError, match=r"a message of 1003 bytes .* takes 1000"):
        link.send_parts(check_frame([pack(b"x" * 1000)]))
    link.close()
    assert far.recv(1) == b""


def test_a_connection_that_is_let_go_closes_its_socket_whatever_goes_first() -> None:
    near, far = make_tcp_pair()
    far.settimeout(20)
    with far:
        link: Any = MsgpackConnection(near)
        link.a_cycle = link  # so that the garbage collector decides on the order
        del link
        gc.collect()
        assert far.recv(1) == b""


def test_a_closed_connection_has_closed_its_socket(ends: Ends) -> None:
    link, _ = ends
    link.close()
    assert link._socket.fileno() == -1
    link.interrupt()


def test_a_coordinator_that_goes_at_once_is_unreachable_and_nothing_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = socket.socket()  # as one that was reset: it has no other side any more
    monkeypatch.setattr(wire, "_connect", lambda *_: gone)
    with pytest.raises(UnreachableError):
        wire.dial(("127.0.0.1", 7333), b"k" * 64)
    assert gone.fileno() == -1
