"""A peer without the key: it gets a challenge, a short time, and nothing else."""

from __future__ import annotations

import contextlib
import itertools
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
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from headrace_wire import admission, busy, greeting, server
from headrace_wire.address import Address
from headrace_wire.admission import ServerLimits
from headrace_wire.api import JobQueueApi
from headrace_wire.connection import dial
from headrace_wire.errors import BusyError, KeyRefusedError
from headrace_wire.framing import MAX_HANDSHAKE_FRAME_BYTES
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.system.event_loop import run
from support import wire_server
from support.commands import wait_until
from support.wire_messages import make_message
from support.wire_peer import dial_bare, is_challenge, read_to_end
from support.wire_server import KEY, PATIENCE_SECONDS, Gate, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from headrace_wire.greeting import Admitted
    from headrace_wire.handshake import Handshake
    from headrace_wire.keyring import Keys
    from headrace_wire.roles import Holder

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

    def admit_counted(
        keys: Callable[[bytes], Keys], names: Container[str], find_room: Callable[[Holder], None]
    ) -> Handshake[Admitted]:
        with gauge.enter():
            return (yield from admit(keys, names, find_room))

    monkeypatch.setattr(server, "admit", admit_counted)
    return gauge


def test_silent_connections_are_capped_and_go_and_keep_nobody_out(handshakes: Gauge) -> None:
    refused: Counter[str] = Counter()
    limits = ServerLimits(handshake_seconds=PATIENCE_SECONDS, max_pending=64)
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(
            serve(limits, on_refused=lambda reason: refused.update([reason]))
        )
        silent = [stack.enter_context(dial_bare(served.address)) for _ in range(100)]
        for _ in range(20):  # each of them takes the place of one that is silent
            silent += [stack.enter_context(dial_bare(served.address)) for _ in range(10)]
            assert served.dial_jobs().info()
        heard = [read_to_end(sock) for sock in silent[:200]]
        assert all(is_challenge(received) for received in heard), "each had its chance"
        assert served.count_connections() <= 64 + 1
        assert 1 < handshakes.most <= 64 + 64 / 8, "one turn's newcomers are there beside them"
        assert 200 < refused["pending"] <= 320


@pytest.fixture
def short_knocking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients soon say that they find no room."""
    monkeypatch.setattr(busy, "BUSY_SECONDS", SHORT_SECONDS)


def test_whoever_finds_no_room_is_told_so_and_comes_in_when_there_is(
    short_knocking: None, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(ServerLimits(max_connections=2, worker_reserve=0)) as served:
        gate = Gate(served.loop)

        async def answer(job: str) -> JobStatus:
            await gate.wait()
            return make_message(JobStatus, id=job)

        served.jobs.answers["status"] = answer
        with ThreadPoolExecutor(2) as threads:
            calls = [threads.submit(served.dial_jobs().status, "job") for _ in range(2)]
            wait_until(lambda: gate.waiting == 2)
            with pytest.raises(BusyError, match=r"no room for another.*: 2 are in use \(\d+ tries"):
                served.dial_jobs().info()
            assert "refused 127.0.0.1:" in caplog.text
            gate.open()
            assert [call.result(PATIENCE_SECONDS).id for call in calls] == ["job"] * 2
        assert served.dial_jobs(patience_seconds=PATIENCE_SECONDS).info()


def test_a_connection_that_nobody_uses_gives_way_and_its_client_does_not_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "IDLE_SECONDS", 0.05)
    with serve(ServerLimits(max_connections=2, worker_reserve=0)) as served:
        clients = [served.dial_jobs(patience_seconds=PATIENCE_SECONDS) for _ in range(5)]
        assert all(client.info() for client in clients)
        assert clients[0].info()
        wait_until(lambda: served.count_sessions() <= 2)


@pytest.fixture
def thrice_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Servers close the first three connections at once, as one does that has no room."""
    tries, admit = itertools.count(1), greeting.admit

    def close(*arguments: Any) -> Handshake[Admitted]:
        if next(tries) <= 3:
            raise EOFError
        return (yield from admit(*arguments))

    monkeypatch.setattr(server, "admit", close)
    return tries


def test_a_client_knocks_again_at_a_coordinator_that_closes_its_connections(
    thrice_closed: Iterator[int],
) -> None:
    with serve() as served:
        assert served.dial_jobs().info()
    assert next(thrice_closed) == 5


def test_so_does_a_client_in_an_event_loop(thrice_closed: Iterator[int]) -> None:
    async def call() -> None:
        caller = QueueManager(served.address, KEY).async_jobs()
        assert await caller.call(JobQueueApi.info)
        caller.close()

    with serve() as served:
        run(call())
    assert next(thrice_closed) == 5


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
        assert "name another key file" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert served.jobs.calls == []
        assert served.dial_jobs().info()
    (logged,) = caplog.records
    pattern = r"refused 127\.0\.0\.1:\d+: it does not hold the key"
    assert re.fullmatch(pattern, logged.getMessage())


@pytest.fixture
def small_server() -> Iterator[tuple[psutil.Popen, Address]]:
    """A process that may open 64 files."""
    folder = Path(wire_server.__file__).parent.parent
    with psutil.Popen(
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
            yield process, Address("127.0.0.1", int(process.stdout.readline()))
            process.stdin.close()
            assert process.wait(20) == 0
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_without_file_descriptors_those_who_are_silent_go_and_others_are_served(
    small_server: tuple[psutil.Popen, Address],
) -> None:
    process, address = small_server
    inside = QueueManager(address, KEY).jobs()
    assert inside.info()
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(dial_bare(address))
        assert "it waited, and the system says: Too many open files" in process.stderr.readline()
        assert inside.info()
        assert QueueManager(address, KEY, patience_seconds=PATIENCE_SECONDS).jobs().info()
        used = process.cpu_times().user
        assert not select.select([process.stderr], [], [], 2.0)[0], "the log is flooded"
        assert process.cpu_times().user - used < 1.0, "the accept loop spins"
    assert QueueManager(address, KEY, patience_seconds=PATIENCE_SECONDS).jobs().info()
