"""Connections that are encrypted: the same calls, and nobody in between."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

from headrace_wire import connection as wire
from headrace_wire.address import Address
from headrace_wire.admission import ServerLimits
from headrace_wire.api import JobQueueApi
from headrace_wire.connection import dial
from headrace_wire.encryption import AUTOMATIC, Encryption
from headrace_wire.errors import HeadraceError, KeyRefusedError, ProtocolError, UnreachableError
from headrace_wire.handshake import FAILURE
from headrace_wire.manager import QueueManager
from headrace_wire.refusal_log import HANDSHAKE
from headrace_wire.refusal_log import KEY as KEY_REFUSED
from headrace_wire.tls import ServerTls, make_client_context
from support.certificates import make_tls
from support.commands import wait_until
from support.event_loops import in_event_loop
from support.wire_messages import ApiDouble
from support.wire_peer import dial_bare, read_to_end
from support.wire_server import ANYWHERE, KEY, PATIENCE_SECONDS, Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A handshake that a test waits to see cut, in seconds.
SHORT_SECONDS = 0.4

#: Large enough for many records, and for every buffer on the way to be full.
LARGE = bytes(range(256)) * (8 << 12)

ON, OFF = Encryption("on"), Encryption("off")


def answer_calls(jobs: ApiDouble) -> None:
    """Let ``put`` tell how much has arrived, and ``read`` return as much."""
    jobs.answers["put"] = lambda _job, _start, inputs: len(inputs)
    jobs.answers["read"] = lambda _job: LARGE


#: The reasons for which the server has refused connections.
REFUSED: list[str] = []


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A server that speaks TLS, for tests that leave it as it is."""
    limits = ServerLimits(handshake_seconds=0.5)
    with serve(limits, tls=make_tls(), on_refused=REFUSED.append) as served:
        answer_calls(served.jobs)
        yield served


@pytest.fixture
def refused(served: Served) -> list[str]:
    """The reasons for which it does so during a test, and not yet for those of an earlier one."""
    wait_until(lambda: not served.count_connections())
    REFUSED.clear()
    return REFUSED


def put(address: Address, encryption: Encryption = AUTOMATIC) -> int:
    """Make a call on a connection of its own, and return its answer."""
    manager = QueueManager(address, KEY, encryption=encryption)
    try:
        return manager.jobs().put("job", 0, b"seven b")
    finally:
        manager.close()


async def put_from_loop(address: Address, encryption: Encryption = AUTOMATIC) -> int:
    caller = QueueManager(address, KEY, encryption=encryption).async_jobs()
    try:
        return await caller.call(JobQueueApi.put, "job", 0, b"seven b")
    finally:
        caller.close()


def catch(address: Address, encryption: Encryption = AUTOMATIC) -> list[HeadraceError]:
    """What a call raises that blocks, and one from an event loop."""
    caught: list[HeadraceError] = []
    try:
        put(address, encryption)
    except HeadraceError as error:
        caught.append(error)
    try:
        asyncio.run(put_from_loop(address, encryption))
    except HeadraceError as error:
        caught.append(error)
    return caught


@in_event_loop
async def test_event_loops_of_both_kinds_serve_and_call_and_so_do_threads() -> None:
    jobs = ApiDouble(JobQueueApi)
    answer_calls(jobs)
    server = QueueManager(ANYWHERE, KEY).get_server(jobs, None, None)
    server.encrypt(make_tls())
    server.start()
    manager = QueueManager(server.bound, KEY, encryption=ON)
    caller, blocking = manager.async_jobs(), manager.jobs()
    try:
        assert await caller.call(JobQueueApi.put, "job", 0, LARGE) == len(LARGE)
        assert await caller.call(JobQueueApi.read, "job") == LARGE
        several = [caller.call(JobQueueApi.put, "job", 0, bytes(size)) for size in range(20)]
        assert await asyncio.gather(*several) == list(range(20))
        assert await asyncio.to_thread(blocking.put, "job", 0, LARGE) == len(LARGE)
        assert await asyncio.to_thread(blocking.read, "job") == LARGE
        assert [arguments[2] for name, arguments in jobs.calls if name == "put"].count(LARGE) == 2
    finally:
        caller.close()
        manager.close()
        await server.stop()


def test_a_client_finds_out_by_itself_what_a_coordinator_speaks(served: Served) -> None:
    with serve() as plain:
        answer_calls(plain.jobs)
        for address in (served.address, plain.address):
            assert put(address) == 7
            assert asyncio.run(put_from_loop(address)) == 7


@pytest.mark.parametrize("is_waiting", [False, True], ids=["in a thread", "in an event loop"])
def test_away_from_loopback_tls_comes_first_and_plain_coordinators_are_found(
    is_waiting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("connection", "dialing"):
        monkeypatch.setattr(f"headrace_wire.{module}.is_near", lambda _: False)
    refused: list[str] = []
    with serve(on_refused=refused.append) as plain:
        answer_calls(plain.jobs)
        for _ in range(2):
            if is_waiting:
                assert asyncio.run(put_from_loop(plain.address)) == 7
            else:
                assert put(plain.address) == 7
    assert not refused, "to try is nothing to complain about"


def test_nobody_is_talked_down_to_an_earlier_tls(served: Served) -> None:
    assert make_client_context().minimum_version == ssl.TLSVersion.TLSv1_3
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection((served.address.host, served.address.port)) as plain:
        old.wrap_socket(plain).close()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((served.address.host, served.address.port)) as plain,
        pytest.raises(ssl.SSLError),
    ):
        old.wrap_socket(plain)


def test_who_asks_for_tls_is_told_that_a_coordinator_does_not_speak_it() -> None:
    with serve() as plain:
        errors = catch(plain.address, ON)
        assert len(errors) == 2
        for error in errors:
            assert isinstance(error, ProtocolError)
            assert str(plain.address) in error.message
            assert "does not speak TLS" in error.message
            assert "\n" not in error.message
        assert not plain.jobs.calls


def test_who_refuses_tls_is_told_that_a_coordinator_may_speak_it(served: Served) -> None:
    errors = catch(served.address, OFF)
    assert len(errors) == 2
    for error in errors:
        assert isinstance(error, UnreachableError)
        assert "--tls off" in error.message
        assert "\n" not in error.message


def test_a_coordinator_that_spoke_tls_is_not_spoken_to_plainly_afterwards() -> None:
    with serve(tls=make_tls()) as encrypted:
        answer_calls(encrypted.jobs)
        assert put(encrypted.address) == 7
    with serve(address=encrypted.address) as plain:
        errors = catch(plain.address)
        assert len(errors) == 2
        for error in errors:
            assert isinstance(error, ProtocolError)
            assert "spoke TLS before" in error.message
        assert not plain.jobs.calls


def test_a_coordinator_that_spoke_plainly_may_speak_tls_afterwards() -> None:
    with serve() as plain:
        answer_calls(plain.jobs)
        assert put(plain.address) == 7
    with serve(address=plain.address, tls=make_tls()) as encrypted:
        answer_calls(encrypted.jobs)
        assert put(encrypted.address) == 7
        assert asyncio.run(put_from_loop(encrypted.address)) == 7


def test_a_wrong_key_is_refused_by_both(served: Served, refused: list[str]) -> None:
    with pytest.raises(KeyRefusedError):
        QueueManager(served.address, b"another key" * 6, encryption=ON).jobs().info()
    wait_until(lambda: refused == [KEY_REFUSED])


class Relay:
    """A man in the middle without the key: it passes on what both sides say, and what it hears."""

    def __init__(self, server: Address, tls: ServerTls | None) -> None:
        self._server, self._tls = server, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address(*self._listener.getsockname())
        self.heard: list[bytes] = []
        self._socks: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._relay, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in list(self._threads):
            thread.join(PATIENCE_SECONDS)
        for sock in self._socks:
            sock.close()

    def _relay(self) -> None:
        while True:
            try:
                victim, _ = self._listener.accept()
                victim.settimeout(PATIENCE_SECONDS)
                if self._tls:
                    victim = self._tls.context.wrap_socket(victim, server_side=True)
                server = make_client_context().wrap_socket(
                    socket.create_connection(self._server, PATIENCE_SECONDS)
                )
            except OSError:
                return
            self._socks += victim, server
            for ends in ((server, victim), (victim, server)):
                thread = threading.Thread(target=self._pump, args=ends, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(4096):
                self.heard.append(piece)
                sink.sendall(piece)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


@pytest.mark.parametrize("tls", [make_tls("another"), None], ids=["another certificate", "plain"])
def test_a_man_in_the_middle_is_refused_by_both(
    tls: ServerTls | None, served: Served, refused: list[str]
) -> None:
    made = len(served.jobs.calls)
    with Relay(served.address, tls) as relay:
        errors = catch(relay.address)
    assert len(errors) == 2
    assert all(isinstance(error, KeyRefusedError) for error in errors)
    wait_until(lambda: refused == [KEY_REFUSED] * 2)
    assert len(served.jobs.calls) == made
    assert any(FAILURE in piece for piece in relay.heard), "the relay was not in between"


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: coordinator\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(5000),
    ],
    ids=["silent", "http", "half a greeting", "zeros"],
)
def test_who_stalls_or_does_not_speak_tls_is_cut_off_and_gets_no_traceback(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reasons: list[str] = []
    limits = ServerLimits(handshake_seconds=SHORT_SECONDS)
    with serve(limits, tls=make_tls(), on_refused=reasons.append) as served:
        started = time.monotonic()
        with dial_bare(served.address) as sock, contextlib.suppress(ConnectionError):
            sock.sendall(garbage)
            received = read_to_end(sock)
            assert len(received) < 100
            assert b"CHALLENGE" not in received
        assert time.monotonic() - started < 10 * SHORT_SECONDS
        wait_until(lambda: not served.count_connections())
    assert reasons == [HANDSHAKE]
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert not record.exc_info


def test_tls_and_the_handshake_have_one_deadline_together() -> None:
    seconds = 1.0
    with serve(ServerLimits(handshake_seconds=seconds), tls=make_tls()) as served:
        started = time.monotonic()
        with dial_bare(served.address) as sock:
            time.sleep(seconds / 2)
            encrypted = make_client_context().wrap_socket(sock)
            assert encrypted.recv(4096)[4:].startswith(b"#CHALLENGE#")
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                assert read_to_end(encrypted) == b""
            encrypted.close()
        assert time.monotonic() - started < 1.5 * seconds, "each had as long as both have together"


def test_a_client_gives_up_on_a_server_that_stalls_in_the_handshake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "HANDSHAKE_SECONDS", SHORT_SECONDS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = time.monotonic()
        errors = catch(Address(*listener.getsockname()), ON)
        assert time.monotonic() - started < 10 * SHORT_SECONDS
    assert len(errors) == 2
    assert all("did not finish the handshake" in error.message for error in errors)
    assert all("a coordinator that hangs or is stopped" in error.message for error in errors)


def test_an_interruption_wakes_who_reads(served: Served) -> None:
    link = dial(served.address, KEY, encryption=ON)
    ended = threading.Event()

    def read() -> None:
        with contextlib.suppress(EOFError, OSError):
            link.receive()
        ended.set()

    thread = threading.Thread(target=read)
    thread.start()
    link.interrupt()
    assert ended.wait(PATIENCE_SECONDS)
    thread.join()
    link.close()


@pytest.mark.parametrize("tls", [None, make_tls()], ids=["plain", "TLS"])
def test_a_unix_socket_serves_threads_and_event_loops(tls: ServerTls | None) -> None:
    with tempfile.TemporaryDirectory(prefix="a b") as folder:  # whose path is short
        address = Address(f"{folder}/socket", 0)
        with serve(address=address, tls=tls) as served:
            answer_calls(served.jobs)
            assert served.address == address
            assert put(address) == 7
            assert asyncio.run(put_from_loop(address)) == 7
        (error, _) = catch(address)
        assert error.message.startswith(f"no coordinator answers at unix:{folder}/socket (No such")
