"""What is served to Prometheus, and to whoever asks whether the coordinator is well."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.error
import urllib.request
from collections import Counter as Tally
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from headrace_coordinator.monitoring import http, scrapes
from headrace_coordinator.monitoring.http import MAX_CONNECTIONS, HttpServer
from headrace_wire.address import Address
from support.commands import wait_until
from support.loop_thread import LoopThread

TOKEN = b"f" * 64

#: Nothing here takes longer, in seconds.
PATIENCE_SECONDS = 20.0


class Collected:
    """Counts how often it is read, and says so."""

    def __init__(self) -> None:
        self.times = 0

    def collect(self) -> Iterator[Metric]:
        self.times += 1
        yield GaugeMetricFamily("collected", "How often.", self.times)


class Site:
    """A server in an event loop of its own, and what is behind it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.problems: list[str] = []
        self.refused: Tally[str] = Tally()
        self.collected = Collected()
        self.registry = CollectorRegistry()
        Counter("plain", "One.", registry=self.registry)
        self.registry.register(self.collected)
        self.thread = stack.enter_context(LoopThread())
        self._stack = stack

    def serve(self, host: str = "127.0.0.1", *, is_open: bool = False) -> HttpServer:
        served = HttpServer(
            Address(host, 0),
            self.registry,
            lambda: self.problems[0] if self.problems else "",
            find_tokens=None if is_open else lambda: [b"0" * 64, TOKEN],
            on_refused=lambda reason: self.refused.update([reason]),
        )
        self.thread.run(served.start)
        self._stack.callback(lambda: self.thread.answer(served.stop()))
        return served


@pytest.fixture
def site() -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(stack)


@pytest.fixture
def server(site: Site) -> HttpServer:
    return site.serve()


def dial(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.bound.port), PATIENCE_SECONDS)


def ask(server: HttpServer, path: str = "/metrics", **headers: str) -> tuple[int, bytes]:
    url = f"http://127.0.0.1:{server.bound.port}{path}"
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def read_to_end(sock: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(1 << 16):
            received += piece
    return received


def test_a_scrape_is_served(server: HttpServer) -> None:
    with urllib.request.urlopen(f"http://{server.bound}/metrics?name=x") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert b"plain_total 0.0\n" in answer.read()


def test_openmetrics_is_served_to_who_asks_for_it(server: HttpServer) -> None:
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"http://{server.bound}/metrics", headers=wanted)
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        text = answer.read()
    assert text.endswith(b"# EOF\n")
    assert text.count(b"# EOF") == 1
    assert b"plain_total 0.0\n" in text


def test_readiness_names_the_problem(site: Site, server: HttpServer) -> None:
    assert ask(server, "/readyz") == (200, b"ok\n")
    site.problems.append("the disk is full")
    assert ask(server, "/readyz") == (503, b"the disk is full\n")
    assert ask(server, "/healthz") == (200, b"ok\n")


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"GET /other HTTP/1.1\n\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"501"),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET /metrics HTTP/1.1\r\nA: " + b"b" * (1 << 20), b"431"),
        (b"GET /healthz HTTP/1.1\r\nA: " + b"b" * 16_000 + b"\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.1\r\nA: " + b"b" * 17_000 + b"\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\r\nA: " + b"b" * 60_000 + b"\r\n\r\n", b"431"),
        (b"GET " + b"a" * (1 << 17) + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", b"400"),
        (b"\n\n", b"400"),
    ],
)
def test_anything_gets_an_answer(server: HttpServer, request_text: bytes, status: bytes) -> None:
    with dial(server) as link:
        with contextlib.suppress(ConnectionError):
            link.sendall(request_text)
        answer = read_to_end(link)
    assert answer.startswith(b"HTTP/1.0 " + status)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"" if request_text.startswith(b"HEAD") else body
    assert b"Connection: close" in head


def test_slow_peers_neither_keep_others_out_nor_pile_up(site: Site, server: HttpServer) -> None:
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(dial(server)) for _ in range(4 * MAX_CONNECTIONS)]
        for sock in slow:
            with contextlib.suppress(ConnectionError):  # it had to go already
                sock.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert ask(server)[0] == 200
        assert len(server._hosts) <= MAX_CONNECTIONS
        oldest = [read_to_end(sock) for sock in slow[: 3 * MAX_CONNECTIONS]]
        assert not any(oldest), "they had to go, unanswered"
    assert site.refused["http"] >= 3 * MAX_CONNECTIONS


@pytest.mark.parametrize("drips", [True, False])
def test_a_request_has_one_deadline_in_all(
    site: Site, monkeypatch: pytest.MonkeyPatch, *, drips: bool
) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.3)
    begun = time.monotonic()
    with dial(site.serve()) as link:
        link.settimeout(0.02)
        while time.monotonic() < begun + PATIENCE_SECONDS:
            try:
                if drips:
                    link.send(b"a")
                if link.recv(1) == b"":
                    break
            except TimeoutError:
                pass
            except ConnectionError:
                break
    assert 0.25 < time.monotonic() - begun < PATIENCE_SECONDS
    wait_until(lambda: site.refused["http"] == 1)


def test_who_does_not_read_the_answer_goes_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.3)
    Counter("large", "x" * (8 << 20), registry=site.registry)
    server = site.serve()
    with dial(server) as link:
        link.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait_until(lambda: site.refused["http"] == 1)


def test_within_a_second_the_same_text_is_served_again(
    site: Site, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrapes, "FRESH_SECONDS", PATIENCE_SECONDS)
    site.collected.times = 0  # it was read when it was registered
    assert len({ask(server) for _ in range(10)}) == 1
    assert site.collected.times == 1
    monkeypatch.setattr(scrapes, "FRESH_SECONDS", 0.0)
    ask(server)
    assert site.collected.times == 2


def test_other_formats_wait_for_their_second(
    site: Site, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrapes, "FRESH_SECONDS", 0.2)
    begun = time.monotonic()
    for accepted in (
        "text/plain; version=0.0.4",
        "text/plain; version=1.0.0",
        "application/openmetrics-text; version=1.0.0",
        "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8",
    ):
        assert ask(server, Accept=accepted)[0] == 200
    assert time.monotonic() - begun > 3 * 0.2


def test_versions_that_there_are_not_have_plain_text_in_common(server: HttpServer) -> None:
    texts = {
        ask(server, Accept=f"application/openmetrics-text; version={version}")
        for version in ("1.0.1", "9.9", ".0.0", "x", "1.0.0\x7f", "9" * 5000)
    }
    assert {status for status, _ in texts} == {200}
    assert not any(text.endswith(b"# EOF\n") for _, text in texts)


def test_where_others_can_connect_the_metrics_want_a_token(site: Site) -> None:
    server = site.serve("0.0.0.0")
    status, text = ask(server)
    assert status == 401
    assert b"observer.key" in text
    for wrong in ("Bearer", "Bearer x", f"Basic {TOKEN.decode()}", f"Bearer {TOKEN.decode()}0", ""):
        assert ask(server, Authorization=wrong)[0] == 401
    assert ask(server, Authorization=f"Bearer {TOKEN.decode()}")[0] == 200
    assert ask(server, "/healthz") == (200, b"ok\n")
    assert ask(server, "/readyz") == (200, b"ok\n")
    assert site.refused["token"] == 6
    assert ask(site.serve("0.0.0.0", is_open=True))[0] == 200


def test_on_loopback_they_want_none(server: HttpServer) -> None:
    assert not server.wants_token
    assert ask(server)[0] == 200


def test_a_request_ends_with_its_server(site: Site) -> None:
    server = site.serve()
    with dial(server) as link:
        link.sendall(b"GET ")
        assert ask(server, "/healthz")[0] == 200
        site.thread.answer(server.stop())
        assert read_to_end(link) == b""
