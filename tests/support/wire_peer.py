"""An unwanted peer: the standard library's own connection, or a bare socket, and ill will."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from multiprocessing import connection
from typing import TYPE_CHECKING, Any, Self

from headrace_wire.encoding import pack, unpack
from headrace_wire.handshake import Handshake, answer_challenge, deliver_challenge
from headrace_wire.version import PROTOCOL
from support.wire_server import KEY

if TYPE_CHECKING:
    from headrace_wire.address import Address

#: Nothing that a peer waits for takes longer, in seconds.
PATIENCE_SECONDS = 20.0


def follow(link: connection.Connection, steps: Handshake[Any]) -> None:
    """Do what a half of a handshake asks for."""
    frame: bytes | None = None
    with contextlib.suppress(StopIteration):
        while True:
            wanted = steps.send(frame)
            frame = link.recv_bytes() if wanted is None else None
            if wanted is not None:
                link.send_bytes(wanted)


class KeyHolder:
    """A peer that holds the key and then does as it likes."""

    def __init__(self, address: Address) -> None:
        self.link = connection.Client((address.host, address.port), "AF_INET")
        follow(self.link, answer_challenge(KEY))
        follow(self.link, deliver_challenge(KEY))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def send_bytes(self, frame: bytes) -> None:
        self.link.send_bytes(frame)

    def announce(self, length: int) -> None:
        """Send a frame's header and no more."""
        short = length <= 0x7FFFFFFF
        header = struct.pack("!i", length) if short else struct.pack("!iQ", -1, length)
        os.write(self.link.fileno(), header)

    def send_call(self, method: object, *arguments: Any, ident: object = None) -> None:
        self.send_bytes(pack([ident, method, list(arguments), {}]))

    def receive(self) -> Any:
        assert self.link.poll(PATIENCE_SECONDS), "nothing came"
        return unpack(self.link.recv_bytes())

    def greet(self) -> None:
        self.send_call("hello", PROTOCOL, "0")
        assert self.receive()[0] == "#RETURN"

    def open(self, name: str = "jobs") -> None:
        """Come as far as a client comes before its first call."""
        self.greet()
        self.send_call("accept_connection", name)
        assert self.receive() == ["#RETURN", None]

    def read_to_end(self) -> list[Any]:
        """Everything that still comes until the other side closes."""
        received: list[Any] = []
        try:
            while True:
                received.append(self.receive())
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return received


def dial_bare(address: Address) -> socket.socket:
    return socket.create_connection((address.host, address.port), PATIENCE_SECONDS)


def read_to_end(sock: socket.socket) -> bytes:
    """Everything that still comes until the other side closes. Raises TimeoutError."""
    received = b""
    try:
        while piece := sock.recv(1 << 16):
            received += piece
    except ConnectionResetError:
        pass
    return received


def is_challenge(received: bytes) -> bool:
    """Whether these are exactly one frame, and it is a challenge."""
    (length,) = struct.unpack("!i", received[:4])
    return len(received) == 4 + length and received[4:].startswith(b"#CHALLENGE#")
