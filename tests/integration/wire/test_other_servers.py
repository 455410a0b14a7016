"""What a client says of something at the coordinator's address that is none of its own."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time
from multiprocessing import connection, managers
from typing import TYPE_CHECKING

import pytest

from headrace_wire import connection as wire
from headrace_wire import greeting
from headrace_wire.address import Address
from headrace_wire.connection import check_listening
from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError, KeyRefusedError, ProtocolError, UnreachableError
from headrace_wire.handshake import answer_challenge, deliver_challenge
from headrace_wire.manager import QueueManager
from headrace_wire.version import PROTOCOL, VERSION
from support.commands import wait_until
from support.wire_peer import follow
from support.wire_server import KEY, PATIENCE_SECONDS, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How long the client of these tests gives a handshake, in seconds.
SHORT_SECONDS = 0.5


@pytest.fixture(autouse=True)
def short_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HANDSHAKE_SECONDS", SHORT_SECONDS)


@contextlib.contextmanager
def answer_with(deed: Callable[[socket.socket], None]) -> Iterator[Address]:
    """Serve one connection in a way of one's own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            sock, _ = listener.accept()
            with sock, contextlib.suppress(OSError):
                sock.settimeout(PATIENCE_SECONDS)
                deed(sock)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            thread.join(PATIENCE_SECONDS)


def wait_for_end(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


def echo(sock: socket.socket) -> None:
    while piece := sock.recv(4096):
        sock.sendall(piece)


def echo_challenges(sock: socket.socket) -> None:
    """Send a challenge, and the client's own words back."""
    sock.sendall(frame(b"#CHALLENGE#" + bytes(32)))
    echo(sock)


def speak_http(sock: socket.socket) -> None:
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    wait_for_end(sock)


def speak_first(sock: socket.socket) -> None:
    sock.sendall(b"220 mail.example.org ESMTP ready\r\n")
    wait_for_end(sock)


def drip(sock: socket.socket) -> None:
    sock.sendall(struct.pack("!i", 200))
    sock.settimeout(0.02)
    while True:
        with contextlib.suppress(TimeoutError):
            if not sock.recv(1):
                return
        sock.sendall(b"#")


def announce_much(sock: socket.socket) -> None:
    sock.sendall(struct.pack("!iQ", -1, 1 << 40))
    wait_for_end(sock)


def close_at_once(sock: socket.socket) -> None:
    del sock


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def frame(body: bytes) -> bytes:
    return struct.pack("!i", len(body)) + body


@pytest.mark.parametrize(
    "deed",
    [
        wait_for_end,
        echo,
        echo_challenges,
        speak_http,
        speak_first,
        drip,
        announce_much,
        close_at_once,
        reset,
        lambda sock: sock.sendall(frame(b"")),
        lambda sock: sock.sendall(frame(b"#CHALLENGE#")),
        lambda sock: sock.sendall(frame(b"#WELCOME#")),
    ],
    ids=["silent", "echo", "echo challenges", "http", "smtp", "drip", "huge", "close", "reset",
         "empty", "bare challenge", "early welcome"],
)  # fmt: skip
def test_what_is_no_coordinator_is_told_in_one_line_within_the_deadline(
    deed: Callable[[socket.socket], None],
) -> None:
    with answer_with(deed) as address:
        started = time.monotonic()
        with pytest.raises(HeadraceError) as caught:
            QueueManager(address, KEY).jobs().info()
        assert time.monotonic() - started < SHORT_SECONDS * 6
    assert isinstance(caught.value, UnreachableError | KeyRefusedError)
    assert str(address) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_at_an_address_is_told_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
    for call in (QueueManager(address, KEY).jobs().info, lambda: check_listening(address)):
        with pytest.raises(UnreachableError) as caught:
            call()
        assert str(caught.value) == f"no coordinator answers at {address} (Connection refused)"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "\u00e4" * 70])
def test_a_host_name_that_leads_nowhere_is_told_in_one_line(host: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        QueueManager(Address(host, 7333), KEY).jobs().info()
    assert f"no coordinator answers at {host}:7333 (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_socket_that_listens_passes_the_check() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        check_listening(Address(*listener.getsockname()))


def test_a_coordinator_of_another_protocol_is_final_and_told_on_both_sides(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(greeting, "HELLO", [PROTOCOL + 6, VERSION])
    with serve() as served:
        with pytest.raises(ProtocolError) as caught:
            served.dial_jobs(patience_seconds=PATIENCE_SECONDS).info()
        line = str(caught.value)
        assert f"speaks protocol {PROTOCOL + 6} " in line
        assert f"the coordinator {PROTOCOL} " in line
        assert "\n" not in line
        wait_until(lambda: bool(caplog.records))
        (logged,) = caplog.records
        assert re.fullmatch(rf"refused 127\.0\.0\.1:\d+: {re.escape(line)}", logged.getMessage())
        assert served.jobs.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        ["#RETURN"],
        ["#RETURN", 1, 2],
        ["#ERROR", "text"],
        ["#ERROR", None],
        ["#TRACEBACK", "Traceback (most recent call last): ..."],
        ["#UNSERIALIZABLE", "..."],
        ["#PROXY", [[], ["jobs", None, "jobs"]]],
        [1, 2],
        "#RETURN",
    ],
)
def test_an_answer_that_is_none_is_a_protocol_error(answer: object) -> None:
    def greet_badly(sock: socket.socket) -> None:
        sock.settimeout(None)  # a Connection reads without a time limit
        with connection.Connection(sock.detach()) as link:
            follow(link, deliver_challenge(KEY))
            follow(link, answer_challenge(KEY))
            link.recv_bytes()
            link.send_bytes(pack(answer))
            with contextlib.suppress(EOFError):
                link.recv_bytes()

    with answer_with(greet_badly) as address, pytest.raises(ProtocolError, match="no answer"):
        QueueManager(address, KEY, patience_seconds=PATIENCE_SECONDS).jobs().info()


def test_a_stock_manager_is_no_coordinator() -> None:
    class StockManager(managers.BaseManager):
        """Speaks pickle."""

    server = StockManager(("127.0.0.1", 0), KEY).get_server()
    with server.listener:  # type: ignore[attr-defined] # set by the stock class
        thread = threading.Thread(target=lambda: server.handle_request(accept_one(server)))
        thread.start()
        # On Python 3.11 it shakes hands as headrace 0.1 did.
        with pytest.raises((UnreachableError, ProtocolError)) as caught:
            QueueManager(Address(*server.address), KEY).jobs().info()  # type: ignore[misc]
        thread.join(PATIENCE_SECONDS)
    assert "\n" not in str(caught.value)


def accept_one(server: managers.Server) -> connection.Connection:
    accepted: connection.Connection = server.listener.accept()  # type: ignore[attr-defined]
    return accepted
