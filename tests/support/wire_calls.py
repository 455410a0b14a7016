"""Calls as they go through the network, made by a peer that then does as it likes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

from headrace_wire.api import APIS
from headrace_wire.calling import encode_call
from headrace_wire.signature import read_signatures
from support.wire_peer import KeyHolder
from support.wire_server import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.wire_server import Served

MEBIBYTE = 1 << 20


def make_frame(name: str, method: str, *arguments: object) -> bytes:
    """A call as it goes through the network."""
    parts = encode_call(name, method, read_signatures(APIS[name])[method].arguments(*arguments))
    body = b"".join(parts)
    return struct.pack("!i", len(body)) + body


@contextlib.contextmanager
def open_session(served: Served, name: str) -> Iterator[socket.socket]:
    """A socket of a peer that holds the key, after its handshake."""
    with KeyHolder(served.address) as peer:
        peer.open(name)
        with socket.socket(fileno=peer.link.fileno()) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            try:
                yield sock
            finally:
                sock.detach()  # it is the peer's


@contextlib.contextmanager
def sending(sock: socket.socket, frame: bytes) -> Iterator[None]:
    """Send a frame meanwhile."""
    thread = threading.Thread(target=sock.sendall, args=(frame,))
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE_SECONDS)


def read_frame(sock: socket.socket) -> int:
    """Read an answer, and return how long it is."""
    length: int = struct.unpack("!i", sock.recv(4, socket.MSG_WAITALL))[0]
    left = length
    while left:
        left -= len(sock.recv(min(left, MEBIBYTE)))
    return length
