"""What Prometheus reads of an autoscaler."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen
from wsgiref.simple_server import WSGIServer

import pytest
from prometheus_client import start_http_server

from headrace.scaling import scaling_metrics
from headrace.scaling.commands import CommandFailedError
from headrace.scaling.decision import Candidate, Decision, History
from headrace.scaling.scaling_metrics import ScalingMetrics
from headrace_wire.address import Address
from headrace_wire.errors import UnreachableError, UsageError

GONE = Candidate("id", "name", "host", 4, 0, True, 0.0)


def test_operators_see_what_is_wanted_what_was_done_and_what_failed() -> None:
    metrics = ScalingMetrics(1, 16, read_clock=lambda: 1000.0)

    def read(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"headrace_autoscale_{name}", labels)

    assert read("workers", state="most") == 16
    assert read("failures_total", at="command") == 0
    assert read("last_change_timestamp_seconds") == 0
    metrics.note_decision(Decision(3, "", History(), now=3, uncounted=7), 0)
    assert (read("last_look_timestamp_seconds"), read("last_change_timestamp_seconds")) == (1000, 0)
    assert read("uncounted_tasks") == 7
    metrics.note_decision(Decision(8, "", History(), is_change=True, now=4), 2)
    assert [read("workers", state=one) for one in ("open", "leaving", "wanted")] == [4, 2, 8]
    metrics.note_decision(Decision(3, "", History(), is_change=True, leaving=(GONE,), now=4), 2)
    assert [read("changes_total", direction=one) for one in ("up", "down")] == [1, 1]
    assert read("last_change_timestamp_seconds") == 1000
    metrics.note_failure(CommandFailedError("no quota left"))
    metrics.note_failure(UnreachableError("it is away"))
    assert [read("failures_total", at=one) for one in ("command", "coordinator")] == [1, 1]


@pytest.fixture
def servers_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers end with the test: others must not find their threads."""
    started: list[tuple[WSGIServer, threading.Thread]] = []

    def start(port: int, host: str, **options: Any) -> tuple[WSGIServer, threading.Thread]:
        started.append(start_http_server(port, host, **options))
        return started[-1]

    monkeypatch.setattr(scaling_metrics, "start_http_server", start)
    yield
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.usefixtures("servers_end")
def test_they_are_served_and_an_address_that_is_taken_is_told() -> None:
    metrics = ScalingMetrics(0, 4)
    bound = metrics.serve(Address("127.0.0.1", 0))
    with urlopen(f"http://{bound}/metrics", timeout=30) as answer:
        assert b'headrace_autoscale_workers{state="most"} 4.0' in answer.read()
    with pytest.raises(UsageError, match="metrics cannot be served at 127"):
        ScalingMetrics(0, 4).serve(bound)
