"""A name is looked up within a time limit, whatever the system's lookup does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from headrace_coordinator.monitoring.http import HttpServer
from headrace_wire import lookup
from headrace_wire.acceptor import listen
from headrace_wire.address import Address
from headrace_wire.connection import check_listening
from headrace_wire.errors import UnreachableError, UsageError
from headrace_wire.lookup import find_listening, look_up
from headrace_wire.manager import QueueManager
from support.commands import wait_until

#: A name server that does not answer, until it is let.
Stuck = tuple[threading.Event, list[str]]


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stuck]:
    answers, asked = threading.Event(), list[str]()
    real = socket.getaddrinfo

    def ask(host: Any, port: int, *rest: Any, **more: Any) -> Any:
        if more.get("flags") == socket.AI_NUMERICHOST:
            return real(host, port, *rest, **more)
        asked.append(host.decode())
        answers.wait()
        return real("127.0.0.1", port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield answers, asked
    answers.set()
    wait_until(lambda: not lookup._under_way)  # the next test asks for the same name


def test_a_lookup_that_hangs_ends_with_the_time_limit(
    stuck: Stuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_SECONDS", 0.05)
    with pytest.raises(UnreachableError, match=r"^no coordinator answers at far:7333 \(the lookup"):
        check_listening(("far", 7333))
    assert stuck[1] == ["far"]


@pytest.mark.usefixtures("stuck")
def test_so_does_that_of_a_name_at_which_to_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "LOOKUP_SECONDS", 0.05)
    there = Address("far", 7333)
    with pytest.raises(UsageError, match=r"^cannot serve at far:7333: the lookup of its name"):
        QueueManager(there, bytes(32)).get_server(None, None, None)
    with pytest.raises(UsageError, match=r"^cannot serve HTTP at far:7333: the lookup of its name"):
        HttpServer(there, CollectorRegistry(), str)


def test_an_address_in_use_is_named_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = Address(*listener.getsockname())
        with pytest.raises(UsageError) as caught:
            listen(taken, 1, "")
    assert caught.value.message == f"cannot serve at {taken}: something serves there already"


def test_a_name_of_both_families_is_served_by_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 7333, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 7333)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert find_listening("both", 7333) == (socket.AF_INET, ("127.0.0.1", 7333))


@pytest.mark.usefixtures("stuck")
def test_it_ends_with_the_callers_own_limit_if_that_is_sooner() -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="takes too long"):
        look_up("far", 7333, begun)
    assert time.monotonic() - begun < lookup.LOOKUP_SECONDS


def test_who_asks_again_waits_for_the_same_lookup(stuck: Stuck) -> None:
    answers, asked = stuck
    for _ in range(3):
        with pytest.raises(TimeoutError):
            look_up("far", 7333, time.monotonic())
    wait_until(lambda: bool(asked))  # its thread may not have begun
    assert asked == ["far"]
    answers.set()
    assert look_up("far", 7333)[0][4] == ("127.0.0.1", 7333)


@pytest.mark.usefixtures("stuck")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_not_looked_up(host: str) -> None:
    assert look_up(host, 7333, time.monotonic())[0][4][:2] == (host, 7333)


def test_a_name_that_is_not_there_says_so() -> None:
    with pytest.raises(UnreachableError, match=r"^no coordinator answers at x\.invalid:7333 \("):
        check_listening(("x.invalid", 7333))


def test_an_ipv6_address_has_brackets_in_messages() -> None:
    with socket.socket(socket.AF_INET6) as taken:  # bound, and not listening
        try:
            taken.bind(("::1", 0))
        except OSError:
            pytest.skip("there is no IPv6 here")
        port = taken.getsockname()[1]
        with pytest.raises(UnreachableError, match=rf"answers at \[::1\]:{port} \("):
            check_listening(("::1", port))
