"""The text that a scrape reads, as Prometheus's own client library understands it."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from headrace_coordinator.monitoring.exposition import Counter, Histogram, Registry
from headrace_coordinator.monitoring.http import HttpServer
from headrace_wire.address import Address


def parse(registry: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(registry.write("")[0].decode())
        for sample in family.samples
    }


def test_counters_add_up_by_label() -> None:
    plain, labelled = Counter("plain", "One."), Counter("calls", "Several.", ("name", "how"))
    registry = Registry(plain, labelled)
    assert parse(registry) == {("plain_total", ()): 0.0}
    labelled.add(2, "a", "well")
    labelled.add(0.5, "a", "well")
    plain.add(1)
    assert parse(registry) == {
        ("plain_total", ()): 1.0,
        ("calls_total", (("how", "well"), ("name", "a"))): 2.5,
    }


def test_a_histogram_counts_what_is_at_most_its_bound() -> None:
    histogram = Histogram("wait_seconds", "How long.", (0.1, 5.0))
    for amount in (0.05, 0.1, 0.2, 7.0):
        histogram.observe(amount)
    assert parse(Registry(histogram)) == {
        ("wait_seconds_bucket", (("le", "0.1"),)): 2,
        ("wait_seconds_bucket", (("le", "5.0"),)): 3,
        ("wait_seconds_bucket", (("le", "+Inf"),)): 4,
        ("wait_seconds_count", ()): 4,
        ("wait_seconds_sum", ()): pytest.approx(7.35),
    }


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\\n", "a{b}=,", "ä", " "])
def test_any_text_may_be_a_label(text: str) -> None:
    counter = Counter("odd", f"What {text} is.", ("name",))
    counter.add(1, text)
    assert parse(Registry(counter)) == {("odd_total", (("name", text),)): 1.0}


def test_types_and_help_are_told() -> None:
    calls = Counter("headrace_calls", "Calls.", ("name",))
    calls.add(3, "a")
    text, content_type = Registry(calls).write("")
    assert text.decode() == (
        "# HELP headrace_calls_total Calls.\n"
        "# TYPE headrace_calls_total counter\n"
        'headrace_calls_total{name="a"} 3.0\n'
    )
    assert content_type.startswith("text/plain; version=")


def test_openmetrics_is_written_for_who_asks_for_it() -> None:
    histogram = Histogram("wait_seconds", "How long.", (0.1,), ("name",))
    histogram.observe(0.05, "a")
    text, content_type = Registry(histogram).write("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def server(problems: list[str]) -> Iterator[HttpServer]:
    registry = Registry(Counter("plain", "One."))
    served = HttpServer(Address("127.0.0.1", 0), registry, lambda: problems[0] if problems else "")
    served.start()
    yield served
    served.stop()


def test_a_scrape_is_served(server: HttpServer) -> None:
    with urllib.request.urlopen(f"http://{server.bound}/metrics?name=x") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert b"plain_total 0.0\n" in answer.read()


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
