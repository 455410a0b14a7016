"""What is served to Prometheus, and to whoever asks whether the coordinator is well."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from headrace_coordinator.monitoring.http import HttpServer
from headrace_wire.address import Address


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def server(problems: list[str]) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Counter("plain", "One.", registry=registry)
    served = HttpServer(Address("127.0.0.1", 0), registry, lambda: problems[0] if problems else "")
    served.start()
    yield served
    served.stop()


def test_a_scrape_is_served(server: HttpServer) -> None:
    with urllib.request.urlopen(f"http://{server.bound}/metrics?name=x") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert b"plain_total 0.0\n" in answer.read()


def test_openmetrics_is_served_to_who_asks_for_it(server: HttpServer) -> None:
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    request = urllib.request.Request(f"http://{server.bound}/metrics", headers=wanted)
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        assert answer.read().endswith(b"# EOF\n")


def test_readiness_names_the_problem(server: HttpServer, problems: list[str]) -> None:
    with urllib.request.urlopen(f"http://{server.bound}/readyz") as answer:
        assert answer.read() == b"ok\n"
    problems.append("the disk is full")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{server.bound}/readyz")
    with caught.value as answer:
        assert (answer.code, answer.read()) == (503, b"the disk is full\n")
    with urllib.request.urlopen(f"http://{server.bound}/healthz") as answer:
        assert answer.read() == b"ok\n"


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"200"),
        (b"GET /other HTTP/1.1\n\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"501"),
        (b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", b"431"),
        (b"GET " + b"a" * (1 << 17) + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
)
def test_anything_gets_an_answer(server: HttpServer, request_text: bytes, status: bytes) -> None:
    with socket.create_connection(server.bound) as link:
        link.sendall(request_text)
        assert link.recv(100).startswith(b"HTTP/1.0 " + status)
