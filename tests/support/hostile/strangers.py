"""Peers without a key: they hold connections, say half of something, or too much of it."""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import socket
import struct
import time
from collections import Counter
from functools import partial

from headrace_wire.address import Address
from headrace_wire.connection import dial
from headrace_wire.errors import HeadraceError, KeyRefusedError
from support.hostile.peer import Peer, Place

#: Seconds between two drops of somebody who sends slowly.
DRIP_SECONDS = 0.5

#: Connections that somebody opens in a second, at most, in place of those that were closed.
OPENED_PER_SECOND = 2000

#: The beginning of a TLS client's hello, of which the rest never comes.
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)

#: The beginning of a frame that would be an answer to the challenge.
HALF_FRAME = struct.pack("!i", 72) + b"{sha256}" + bytes(20)

GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: coordinator\r\n\r\n",
    b"\x80\x04\x95" + bytes(64),
    struct.pack("!i", 16) + bytes(16),
    struct.pack("!i", -2) + bytes(100),
    struct.pack("!i", 2**31 - 1) + bytes(5000),
    random.Random(1).randbytes(5000),
]


def open_one(address: Address) -> socket.socket | None:
    """A connection that is being opened; None where the system has none to give."""
    sock = socket.socket()
    sock.setblocking(False)
    try:
        sock.connect((address.host, address.port))
    except BlockingIOError:
        pass
    except OSError:
        sock.close()
        return None
    return sock


def read_socket(key: selectors.SelectorKey) -> socket.socket:
    """The socket that something happens on."""
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def hold(
    place: Place,
    counts: Counter[str],
    *,
    many: int,
    first: bytes = b"",
    drop: bytes = b"",
    http: bool = False,
) -> None:
    """Hold so many connections: say ``first`` on each, and ``drop`` now and then.

    What the other side closes is opened again.
    """
    address = place.http if http else place.address
    chooser = selectors.DefaultSelector()
    silent: dict[socket.socket, bool] = {}
    allowance, looked, dripped = 0.0, time.monotonic(), time.monotonic()
    while not place.stop.is_set():
        now = time.monotonic()
        allowance = min(many, allowance + (now - looked) * OPENED_PER_SECOND)
        looked = now
        while len(silent) < many and allowance >= 1:
            allowance -= 1
            sock = open_one(address)
            if sock is None:
                counts["not opened"] += 1
                break
            counts["opened"] += 1
            silent[sock] = False
            chooser.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
        for key, events in chooser.select(0.05):
            sock = read_socket(key)
            try:
                if events & selectors.EVENT_WRITE:
                    silent[sock] = True
                    if first:
                        sock.send(first)
                    chooser.modify(sock, selectors.EVENT_READ)
                if events & selectors.EVENT_READ and not sock.recv(4096):
                    raise EOFError
            except BlockingIOError:
                pass
            except (EOFError, OSError):
                counts["cut"] += 1
                chooser.unregister(sock)
                sock.close()
                del silent[sock]
        if drop and time.monotonic() - dripped > DRIP_SECONDS:
            dripped = time.monotonic()
            for sock, said in silent.items():
                if said:
                    with contextlib.suppress(OSError):
                        sock.send(drop)
        counts["held"] = max(counts["held"], sum(silent.values()))
    for sock in silent:
        sock.close()
    chooser.close()


def send_garbage(place: Place, counts: Counter[str]) -> None:
    """Connect, say something that nobody understands, listen until it is over, and again."""
    while not place.stop.is_set():
        for garbage in [*GARBAGE, os.urandom(3000)]:
            with (
                contextlib.suppress(OSError),
                socket.create_connection((place.address.host, place.address.port), 5) as sock,
            ):
                sock.settimeout(6)
                sock.sendall(garbage)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
            counts["sent"] += 1
            if place.stop.is_set():
                return


def try_keys(place: Place, counts: Counter[str]) -> None:
    """Try one key after the other."""
    while not place.stop.is_set():
        try:
            dial(place.address, os.urandom(32).hex().encode()).close()
            counts["LET IN"] += 1
        except KeyRefusedError:
            counts["refused"] += 1
        except HeadraceError:
            counts["cut"] += 1


def scrape(place: Place, counts: Counter[str], *, many: int) -> None:
    """Fetch /metrics as often as that can be done, over so many connections at a time."""
    request = b"GET /metrics HTTP/1.0\r\n\r\n"
    chooser = selectors.DefaultSelector()
    while not place.stop.is_set():
        while len(chooser.get_map()) < many:
            try:
                sock = socket.create_connection((place.http.host, place.http.port), 2)
                sock.sendall(request)
            except OSError:
                counts["refused"] += 1
                break
            chooser.register(sock, selectors.EVENT_READ)
        for key, _ in chooser.select(0.1):
            sock = read_socket(key)
            data = b""
            with contextlib.suppress(OSError):
                data = sock.recv(1 << 20)
            counts["bytes"] += len(data)
            if not data:
                counts["scraped"] += 1
                chooser.unregister(sock)
                sock.close()
    for key in list(chooser.get_map().values()):
        read_socket(key).close()
    chooser.close()


def guess(place: Place, counts: Counter[str], *, many: int) -> None:
    """Ask for the page's data with one token after the other, over so many connections."""
    chooser = selectors.DefaultSelector()
    while not place.stop.is_set():
        while len(chooser.get_map()) < many:
            try:
                sock = socket.create_connection((place.http.host, place.http.port), 2)
                sock.sendall(_make_guess())
            except OSError:
                counts["cut"] += 1
                break
            chooser.register(sock, selectors.EVENT_READ)
        for key, _ in chooser.select(0.1):
            sock = read_socket(key)
            try:
                data = sock.recv(1 << 16)
                if not data:
                    raise EOFError
                if b"HTTP/1.1 200 " in data:
                    counts["LET IN"] += 1
                counts["refused"] += data.count(b"HTTP/1.1 401 ")
                sock.sendall(_make_guess())
            except (EOFError, OSError):
                counts["cut"] += 1
                chooser.unregister(sock)
                sock.close()
    for key in list(chooser.get_map().values()):
        read_socket(key).close()
    chooser.close()


def _make_guess() -> bytes:
    token = os.urandom(32).hex()
    return f"GET /api/v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


_SLOW_REQUEST = b"GET /metrics HTTP/1.1\r\nX: "

#: A page, and the beginning of another request on the same connection.
_SLOW_VISIT = b"GET /static/x/icon.svg HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nX: "

STRANGERS: dict[str, Peer] = {
    "silent-64": partial(hold, many=64),
    "silent-500": partial(hold, many=500),
    "half-frames": partial(hold, many=200, first=HALF_FRAME, drop=b"\x00"),
    "stalled-hellos": partial(hold, many=200, first=HALF_HELLO, drop=b"\x00"),
    "garbage": send_garbage,
    "wrong-keys": try_keys,
    "http-slow": partial(hold, many=300, first=_SLOW_REQUEST, drop=b"a", http=True),
    "http-silent": partial(hold, many=300, http=True),
    "page-slow": partial(hold, many=300, first=_SLOW_VISIT, drop=b"a", http=True),
    "page-guessers": partial(guess, many=32),
    "scrapers": partial(scrape, many=8),
}
