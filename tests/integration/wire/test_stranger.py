"""A peer without the key: it gets a challenge, a short time, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import re
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from headrace_wire import greeting, server
from headrace_wire.address import Address
from headrace_wire.connection import dial
from headrace_wire.errors import KeyRefusedError, UnreachableError
from headrace_wire.framing import MAX_HANDSHAKE_FRAME_BYTES
from headrace_wire.manager import QueueManager
from headrace_wire.server import ServerLimits
from support import wire_server
from support.wire_peer import dial_bare, is_challenge, read_to_end
from support.wire_server import KEY, PATIENCE_SECONDS, serve

if TYPE_CHECKING:
    import socket
    from collections.abc import Container, Iterator

    from headrace_wire.greeting import Admitted
    from headrace_wire.handshake import Handshake
    from headrace_wire.keyring import Keys

#: A handshake that a test waits to see cut, in seconds.
SHORT_SECONDS = 0.5


class Gauge:
    """How many are inside at a time, and how many were at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = self.most = 0

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1


@pytest.fixture
def handshakes(monkeypatch: pytest.MonkeyPatch) -> Gauge:
    """Counts the connections that are in their handshake."""
    gauge, admit = Gauge(), greeting.admit

    def admit_counted(keys: Keys, names: Container[str]) -> Handshake[Admitted]:
        with gauge.enter():
            return (yield from admit(keys, names))

    monkeypatch.setattr(server, "admit", admit_counted)
    return gauge


def test_silent_connections_are_capped_and_go_and_keep_nobody_out(handshakes: Gauge) -> None:
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(serve(ServerLimits(handshake_seconds=1.0, max_pending=64)))
        silent = [stack.enter_context(dial_bare(served.address)) for _ in range(400)]
        client = served.dial_jobs(patience_seconds=PATIENCE_SECONDS)
        assert client.info() == client.info()
        heard = [read_to_end(sock) for sock in silent]
        assert 1 < handshakes.most <= 64
        assert all(not received or is_challenge(received) for received in heard)
        assert any(heard)
        assert not all(heard), "more were let in than may be pending"


def test_open_connections_are_capped_too(caplog: pytest.LogCaptureFixture) -> None:
    with serve(ServerLimits(max_connections=2)) as served:
        inside = [served.dial_jobs(), served.dial_jobs()]
        assert all(client.info() for client in inside)
        with pytest.raises(UnreachableError):
            served.dial_jobs().info()
        assert "2 are connected" in caplog.text
        inside.pop()
        assert served.dial_jobs(patience_seconds=PATIENCE_SECONDS).info()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: coordinator\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"\x80\x04\x95" + bytes(64),
        struct.pack("!i", 16) + bytes(16),
        struct.pack("!i", 0),
        struct.pack("!i", -2) + bytes(100),
        struct.pack("!i", MAX_HANDSHAKE_FRAME_BYTES + 1) + bytes(MAX_HANDSHAKE_FRAME_BYTES + 1),
        struct.pack("!iQ", -1, 1 << 40) + bytes(100),
        random.Random(1).randbytes(5000),
    ],
    ids=["http", "tls", "pickle", "digest", "empty", "negative", "oversize", "huge", "noise"],
)
def test_garbage_is_cut_off_and_learns_nothing(garbage: bytes) -> None:
    with serve() as served:
        with dial_bare(served.address) as sock:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                sock.sendall(garbage)
            received = read_to_end(sock)
        challenge_bytes = 4 + struct.unpack("!i", received[:4])[0] if received else 0
        assert not received or is_challenge(received[:challenge_bytes])
        # What multiprocessing tells a peer whose digest is wrong is all that may follow.
        assert received[challenge_bytes:] in (b"", struct.pack("!i", 9) + b"#FAILURE#")
        assert served.dial_jobs().info()


def test_who_sends_a_byte_now_and_then_is_cut_off_at_the_deadline() -> None:
    with serve(ServerLimits(handshake_seconds=SHORT_SECONDS)) as served:
        started = time.monotonic()
        with dial_bare(served.address) as sock:
            assert is_challenge(sock.recv(4096))
            drops = iter(struct.pack("!i", 200) + bytes(200))
            while not select.select([sock], [], [], 0.02)[0]:
                sock.sendall(bytes([next(drops)]))
            assert read_to_end(sock) == b""
        assert SHORT_SECONDS * 0.9 < time.monotonic() - started < 10 * SHORT_SECONDS


def test_a_key_holder_who_then_says_nothing_is_cut_off_too() -> None:
    with serve(ServerLimits(handshake_seconds=SHORT_SECONDS)) as served:
        waiting = dial(served.address, KEY)
        waiting.set_deadline(20)
        with pytest.raises(EOFError):
            waiting.receive()
        waiting.close()


def test_a_wrong_key_is_refused_on_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with serve() as served:
        with pytest.raises(KeyRefusedError) as caught:
            served.dial_jobs(key=b"another key" * 6, patience_seconds=PATIENCE_SECONDS).info()
        assert str(served.address) in str(caught.value)
        assert "--key-file" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert served.jobs.calls == []
        assert served.dial_jobs().info()
    (logged,) = caplog.records
    pattern = r"refused 127\.0\.0\.1:\d+: it does not hold the key"
    assert re.fullmatch(pattern, logged.getMessage())


@pytest.fixture
def small_server() -> Iterator[tuple[Address, IO[str]]]:
    """A process that may open 64 files, and its log."""
    folder = Path(wire_server.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-m", "support.wire_program", "64", "60"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            yield Address("127.0.0.1", int(process.stdout.readline())), process.stderr
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            process.kill()


def test_without_file_descriptors_nobody_is_accepted_and_later_everybody(
    small_server: tuple[Address, IO[str]],
) -> None:
    address, log = small_server
    socks: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        socks += [stack.enter_context(dial_bare(address)) for _ in range(100)]
        started = time.monotonic()
        lines = [log.readline() for _ in range(5)]
        seconds = time.monotonic() - started
        assert set(lines) == {"cannot accept a connection: Too many open files\n"}
        assert seconds > 0.2, "the accept loop spins"
        assert is_challenge(socks[0].recv(4096))
    client = QueueManager(address, KEY, patience_seconds=PATIENCE_SECONDS).jobs()
    assert client.info()
