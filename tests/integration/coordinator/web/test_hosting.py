"""Connections of the page: slow, silent and many peers, and those who have shown a token."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headrace_coordinator import coordinator
from headrace_coordinator.web import hosting, stream
from support.commands import wait_until
from support.web_site import PATIENCE_SECONDS, WebSite, open_site

#: Seconds for a request in these tests, where none is the right one.
SHORT_SECONDS = 0.3


@pytest.fixture
def narrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebSite]:
    """A site with as few places as there may be, and little patience."""
    monkeypatch.setattr(coordinator, "MOST_HTTP_DESCRIPTORS", 40)
    monkeypatch.setattr(hosting, "REQUEST_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(hosting, "IDLE_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr(stream, "TURN_SECONDS", 0.02)
    with open_site(tmp_path) as site:
        yield site


def dial(site: WebSite) -> socket.socket:
    host, _, port = site.url.partition("://")[2].partition(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


def read_to_end(sock: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := sock.recv(1 << 16):
            received += piece
    return received


def ask(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


def count_connections(site: WebSite) -> int:
    http = site.coordinator._http
    assert http
    return len(http._hosts)


def test_a_connection_serves_the_page_and_the_metrics(site: WebSite) -> None:
    with dial(site) as link:
        for path, found in (("/login", b"<h1>"), ("/healthz", b"ok"), ("/metrics", b"headrace_")):
            link.sendall(ask(path))
            answer = b""
            while found not in answer:
                answer += link.recv(1 << 16)
            assert b" 200 " in answer or path == "/metrics"
        link.sendall(ask("/readyz", "Connection: close"))
        assert read_to_end(link).endswith(b"ok\n")


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /login HTTP/1.1\r\nHost: ",
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\ntoken=",
        b"GET /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
    ],
)
def test_a_request_that_does_not_end_is_ended(narrow: WebSite, begun: bytes) -> None:
    with dial(narrow) as link:
        link.sendall(ask("/static/x/icon.svg") + begun)
        assert b"</svg>" in read_to_end(link)
    wait_until(lambda: count_connections(narrow) == 0)


def test_a_connection_that_is_not_used_is_closed(narrow: WebSite) -> None:
    begun = time.monotonic()
    with dial(narrow) as link:
        link.sendall(ask("/login"))
        assert b"</html>" in read_to_end(link)
    assert time.monotonic() - begun > SHORT_SECONDS / 2


def test_who_does_not_read_the_answers_goes(narrow: WebSite) -> None:
    token = f"Authorization: Bearer {narrow.read_key('client')}"
    with dial(narrow) as link:
        link.settimeout(0.05)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                link.sendall(100 * ask("/api/v1/openapi.json", token))
        wait_until(lambda: count_connections(narrow) == 0)


@pytest.mark.parametrize("said", [b"\x16\x03\x01\n\n", b"GET / HTTP/1.1\r\n\r\n", b"GET x\r\n\r\n"])
def test_what_is_no_request_gets_an_answer_and_goes(site: WebSite, said: bytes) -> None:
    with dial(site) as link:
        link.sendall(ask("/login") + said)
        answer = read_to_end(link)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 400 " in answer


@pytest.mark.parametrize("earlier", [b"", ask("/login")])
def test_a_request_with_two_lengths_is_refused_and_ends_its_connection(
    site: WebSite, earlier: bytes
) -> None:
    """One in between may see another end of it, and take what follows for a request of its own."""
    lengths = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
    with dial(site) as link:
        link.sendall(earlier + b"POST /login HTTP/1.1\r\nHost: a\r\n" + lengths + ask("/healthz"))
        answer = read_to_end(link)
    assert answer.count(b"HTTP/1.1 ") == 1 + bool(earlier)
    assert b"HTTP/1.1 400 " in answer
    assert b"either Content-Length or Transfer-Encoding" in answer


def test_strangers_do_not_put_off_those_who_have_shown_a_token(narrow: WebSite) -> None:
    narrow.submit("watched")
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(narrow.visit("observer"))
        answer = stack.enter_context(browser.stream("GET", "/api/v1/stream?topic=job&job=watched"))
        lines = answer.iter_lines()
        next(line for line in lines if "queued" in line)
        for _ in range(60):
            link = stack.enter_context(dial(narrow))
            link.sendall(ask("/login"))
        narrow.jobs.cancel("watched")
        next(line for line in lines if "cancelled" in line)
        assert count_connections(narrow) <= 32


def test_a_site_stops_while_pages_are_open(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with open_site(tmp_path) as site:
            browser = stack.enter_context(site.visit("observer"))
            answer = stack.enter_context(browser.stream("GET", "/api/v1/stream?topic=events"))
            assert answer.status_code == 200
            begun = time.monotonic()
        assert time.monotonic() - begun < PATIENCE_SECONDS / 2


def test_all_of_it_is_encrypted_where_that_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with open_site(tmp_path, http_tls=True) as site:
        assert site.url.startswith("https://")
        context = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
        context.check_hostname = False
        with httpx.Client(base_url=site.url, verify=context) as browser:
            assert "headrace_" in browser.get("/metrics").text
            assert browser.get("/healthz").text == "ok\n"
            cookie = browser.get(site.link("client")).headers["Set-Cookie"]
            assert cookie.startswith("__Host-headrace-")
            assert cookie.endswith("; Secure")
            assert browser.get("/api/v1/info").json()["page"] == site.url
            with browser.stream("GET", "/api/v1/stream?topic=overview") as answer:
                assert next(one for one in answer.iter_lines() if one == "event: overview")
        with dial(site) as plain, context.wrap_socket(plain) as link:
            link.sendall(ask("/healthz"))
            assert b"200" in link.recv(1 << 16)
            with contextlib.suppress(ssl.SSLError):  # more of the answer may be on its way
                link.unwrap()  # says that it says no more
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with dial(site) as old, pytest.raises(ssl.SSLError):
            context.wrap_socket(old)
        with dial(site) as link:
            link.sendall(ask("/healthz"))
            assert b"200" not in read_to_end(link)
        with dial(site):  # says nothing, and keeps nobody from the end of the site
            pass
    assert "eof_received" not in caplog.text


STRANGE = [
    b"GET //[/x HTTP/1.1\r\nHost: [\r\n",
    b"GET /%ff%00%zz?%ff=% HTTP/1.1\r\nHost: \xff\r\n",
    b"GET http://elsewhere/jobs HTTP/1.1\r\nHost: elsewhere\r\n",
    b"GET /static/x/%2e%2e/app.py HTTP/1.1\r\nHost: a b\r\n",
    b"GET /jobs/%ed%b0%80%2f%F0 HTTP/1.1\r\nHost:\r\n",
    b"GET /api/v1/jobs/%F0%9F/x HTTP/1.1\r\nHost: a:999999\r\nAccept: \xff\r\n",
    b"POST /login HTTP/1.1\r\nHost: @\r\nOrigin: [\r\nContent-Length: 0\r\n",
    b"GET /?token=%ff%00 HTTP/1.1\r\nHost: a\r\nCookie: =;;==\xff\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie: headrace-web=a.b.c.d.e\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \xff\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    b"TRACE * HTTP/1.1\r\nHost: a\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
]


def test_nothing_that_is_asked_is_too_strange(
    site: WebSite, caplog: pytest.LogCaptureFixture
) -> None:
    token = f"Authorization: Bearer {site.read_key('admin')}\r\n".encode()
    for said in STRANGE:
        for more in (b"", b"" if b"Authorization" in said else token):
            with dial(site) as link:
                link.sendall(ask("/login") + said + more + b"Connection: close\r\n\r\n")
                _, _, answer = read_to_end(link).partition(b"</html>")
            assert answer.strip().startswith(b"HTTP/1.1 "), said
            assert b"HTTP/1.1 500" not in answer, said
    assert not [one for one in caplog.records if "uvicorn" in one.name or "web" in one.name]
