"""A client and a server that mean well."""

from __future__ import annotations

import _pickle
import asyncio
import gc
import logging
import pickle
import socket
import statistics
import threading
import time
from multiprocessing import connection, reduction
from typing import Any, NoReturn

import pytest

from headrace_wire import connection as wire
from headrace_wire.address import Address
from headrace_wire.api import APIS, JobQueueApi
from headrace_wire.errors import HeadraceError, UnknownJobError, UnreachableError, UsageError
from headrace_wire.manager import Caller, Proxy, RetryingProxy
from headrace_wire.messages.results import Fetched, FetchRequest, ResultSpan
from support.commands import wait_until
from support.wire_messages import make_example, make_message, read_methods
from support.wire_server import ANYWHERE, KEY, Served, ignore_arguments, serve

METHODS = [
    pytest.param(name, method, id=method)
    for name, api in APIS.items()
    for method in read_methods(api)
]

MEBIBYTE = 1 << 20


class UnpickledError(BaseException):
    """Something was unpickled."""


def refuse(*_: object, **__: object) -> NoReturn:
    raise UnpickledError


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every way to unpickle raise, in the server and in the client: they share a process."""
    for module in (pickle, _pickle):
        for name in ("load", "loads", "Unpickler"):
            monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(reduction.ForkingPickler, "loads", refuse)


@pytest.mark.parametrize(("name", "method"), METHODS)
@pytest.mark.usefixtures("no_pickle")
def test_every_method_travels_and_nothing_is_unpickled(
    served: Served, name: str, method: str
) -> None:
    hints, answer = read_methods(APIS[name])[method]
    arguments = tuple(make_example(hint) for hint in hints)
    caller = getattr(served, f"dial_{name}")()
    assert getattr(caller, method)(*arguments) == make_example(answer)
    double = getattr(served, name)
    assert double.calls == [(method, arguments)]


@pytest.mark.usefixtures("no_pickle")
def test_an_error_travels_and_nothing_is_unpickled(served: Served) -> None:
    def fail(job: str) -> NoReturn:
        raise UnknownJobError(f"there is no job {job}")

    served.jobs.answers["status"] = fail
    client = served.dial_jobs()
    with pytest.raises(UnknownJobError, match=r"^there is no job 17$"):
        client.status("17")
    assert client.info()


@pytest.mark.usefixtures("no_pickle")
def test_unpickling_is_seen_where_it_happens() -> None:
    near, far = connection.Pipe()
    with near, far:
        near.send("a value")
        with pytest.raises(UnpickledError):
            far.recv()


def test_nagles_algorithm_is_off_on_both_sides(served: Served) -> None:
    proxy = Proxy("jobs", served.address, KEY)
    proxy.call("info", [])
    ((_, session),) = served.server._connections.items()
    assert session
    assert session.stream._transport
    accepted = session.stream._transport.get_extra_info("socket")
    for sock in (accepted, proxy._idle[-1]._socket):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("size", [16_000, 16_384, 16_500, 24_000, 40_000])
def test_messages_of_a_few_kilobytes_do_not_stall(served: Served, size: int) -> None:
    body = bytes(size)
    answer = make_message(Fetched, runs=(ResultSpan(0, 1, body),))
    served.results.answers["fetch"] = ignore_arguments(lambda: answer)
    jobs, results, request = served.dial_jobs(), served.dial_results(), make_message(FetchRequest)
    seconds: list[float] = []
    for _ in range(50):
        started = time.perf_counter()
        jobs.put("job", 0, body)
        results.fetch(request)
        seconds.append((time.perf_counter() - started) / 2)
    assert statistics.median(seconds) < 0.010


@pytest.mark.parametrize("size", [8 * MEBIBYTE, 100 * MEBIBYTE])
def test_large_payloads_arrive_whole_in_both_directions(served: Served, size: int) -> None:
    body = bytes(range(256)) * (size // 256)
    answer = make_message(Fetched, runs=(ResultSpan(0, 1, body),))
    served.results.answers["fetch"] = ignore_arguments(lambda: answer)
    assert served.dial_jobs().put("job", 0, body)
    ((_, arguments),) = served.jobs.calls
    assert arguments == ("job", 0, body)
    fetched = served.dial_results().fetch(make_message(FetchRequest))
    assert fetched.runs[0].values == body


def test_a_payload_over_the_cap_is_refused_where_it_is_made(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", MEBIBYTE)
    client = served.dial_jobs()
    with pytest.raises(UsageError, match=f"takes {MEBIBYTE}"):
        client.put("job", 0, bytes(MEBIBYTE))
    assert client.info()
    assert [name for name, _ in served.jobs.calls] == ["info"]


def test_an_answer_over_the_cap_is_an_error_and_not_the_end(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_FRAME_BYTES", MEBIBYTE)
    answer = make_message(Fetched, runs=(ResultSpan(0, 1, bytes(MEBIBYTE)),))
    served.results.answers["fetch"] = ignore_arguments(lambda: answer)
    client = served.dial_results()
    with pytest.raises(UsageError, match=f"takes {MEBIBYTE}"):
        client.fetch(make_message(FetchRequest))
    assert client.failures("job", 0, 1)


@pytest.mark.parametrize("answer", [object(), 2**70, "text"])
def test_an_answer_that_cannot_travel_is_an_error_and_not_the_end(
    served: Served, answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    served.jobs.answers["put"] = ignore_arguments(lambda: answer)
    client = served.dial_jobs()
    with pytest.raises(HeadraceError) as caught:
        client.put("job", 0, b"")
    assert not isinstance(caught.value, UnreachableError)
    assert client.info()
    if answer != "text":  # that one travels well, and the client sees that it is no number
        assert "put failed" in caplog.text


def test_a_fault_of_the_coordinator_is_told_without_its_traceback(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> NoReturn:
        raise ZeroDivisionError("a secret of the coordinator")

    served.jobs.answers["info"] = fail
    client = served.dial_jobs()
    with pytest.raises(HeadraceError) as caught:
        client.info()
    assert str(caught.value) == "the coordinator failed at info; its log says why"
    assert client.workers()
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("error", [OSError(5, "no disk"), EOFError(), ValueError("bad")])
def test_the_coordinators_own_trouble_does_not_look_like_a_lost_connection(
    served: Served, error: Exception
) -> None:
    def fail() -> NoReturn:
        raise error

    served.jobs.answers["info"] = fail
    with pytest.raises(HeadraceError, match="the coordinator failed at info"):
        served.dial_jobs(patience_seconds=20).info()
    assert len(served.jobs.calls) == 1


def test_bytes_are_counted_by_call() -> None:
    told: list[tuple[int, int]] = []
    counted = threading.Semaphore(0)

    def count(received: int, sent: int) -> None:
        told.append((received, sent))
        counted.release()

    with serve(on_bytes=count) as served:
        client = served.dial_jobs()
        for body in (b"", bytes(5000)):
            client.put("job", 0, body)
            assert counted.acquire(timeout=20)
    # The first call is told together with its handshake.
    assert 0 < told[0][0] < 1000
    assert 5000 < told[1][0] < 5100
    assert all(0 < sent < 1000 for _, sent in told)


def test_an_address_in_use_is_told_in_one_line(served: Served) -> None:
    with pytest.raises(UsageError) as caught, serve(address=served.address):
        pass
    assert str(served.address) in str(caught.value)
    assert "something serves there already" in str(caught.value)


def test_an_address_that_is_not_ours_is_told_in_one_line() -> None:
    with pytest.raises(UsageError, match="cannot serve at"), serve(address=Address("a" * 70, 0)):
        pass


def test_ipv6_is_served_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serve(address=Address("::1", 0)) as served:
        assert served.address.host == "::1"
        assert served.dial_jobs().info()


def test_stopping_closes_what_is_open_and_there_is_one_thread_for_all() -> None:
    before = set(threading.enumerate())
    with serve() as served:
        clients = [served.dial_jobs() for _ in range(5)]
        assert all(client.info() for client in clients)
        client = clients[0]
        assert {thread.name for thread in set(threading.enumerate()) - before} == {"loop"}
        assert served.count_connections() == 5
    assert served.count_connections() == 0
    with pytest.raises(UnreachableError):
        client.info()
    with pytest.raises(UnreachableError, match=f"no coordinator answers at {served.address}"):
        client.info()


def test_stopping_twice_is_no_trouble() -> None:
    with serve(address=ANYWHERE) as served:
        asyncio.run_coroutine_threadsafe(served.server.stop(), served.loop).result(20)


def test_a_client_that_is_let_go_closes_its_connection_there_and_then(served: Served) -> None:
    proxy = Proxy("jobs", served.address, KEY)
    patience = RetryingProxy(proxy, 0.0, lambda _: None, threading.Event(), threading.Event())
    caller: Any = Caller(JobQueueApi, patience)
    caller.info()
    assert served.count_connections() == 1
    gc.disable()
    try:
        del proxy, patience, caller
        wait_until(lambda: served.count_connections() == 0)
    finally:
        gc.enable()


def test_a_thread_that_ends_leaves_its_connection_to_the_next(served: Served) -> None:
    proxy = Proxy("jobs", served.address, KEY)
    for _ in range(3):
        thread = threading.Thread(target=lambda: proxy.call("info", []))
        thread.start()
        thread.join(20)
    assert served.count_sessions() == len(proxy._idle) == 1
