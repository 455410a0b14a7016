"""Peers that fail in the middle of things: whoever else is connected goes on being served."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from headrace_wire.admission import ServerLimits
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.results import Fetched, FetchRequest, ResultSpan
from support.commands import wait_until
from support.wire_calls import make_frame, open_session, read_frame
from support.wire_messages import make_message
from support.wire_peer import dial_bare, is_challenge
from support.wire_server import PATIENCE_SECONDS, Gate, Served, serve

MEBIBYTE = 1 << 20

#: Calls that a peer sends ahead, and what comes of each.
CALLS_AHEAD = 20
ANSWER_BYTES = 4 * MEBIBYTE

#: Connections that say nothing, and the most bytes that each may cost the server.
SILENT = 1000
MOST_SILENT_BYTES = 20 << 10


@pytest.fixture(params=["uvloop", "asyncio"], autouse=True)
def event_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve in each of the event loops."""
    if request.param == "asyncio":
        monkeypatch.setitem(sys.modules, "uvloop", None)  # an import of it fails
    else:
        pytest.importorskip("uvloop")


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        yield served


def test_a_peer_that_does_not_read_is_waited_for_and_keeps_nobody_waiting(served: Served) -> None:
    answer = make_message(Fetched, runs=(ResultSpan(0, 1, bytes(ANSWER_BYTES)),))
    served.results.answers["fetch"] = lambda _: answer
    call = make_frame("results", "fetch", make_message(FetchRequest))
    with open_session(served, "results") as slow:
        slow.sendall(call * CALLS_AHEAD)
        wait_until(lambda: served.results.calls)
        for _ in range(100):
            assert served.dial_jobs().info()
        assert len(served.results.calls) < CALLS_AHEAD / 2, "no more than the other side takes"
        assert all(read_frame(slow) > ANSWER_BYTES for _ in range(CALLS_AHEAD))
    assert len(served.results.calls) == CALLS_AHEAD


def test_a_peer_that_sends_half_a_frame_and_goes_leaves_nothing(served: Served) -> None:
    call = make_frame("jobs", "put", "job", 0, bytes(MEBIBYTE))
    for half in (call[:2], call[:100], call[: len(call) // 2], call[:-1]):
        with open_session(served, "jobs") as sock:
            sock.sendall(half)
            assert served.dial_jobs().info()
            wait_until(lambda: served.count_connections() == 1)
        wait_until(lambda: served.count_connections() == 0)
    assert {method for method, _ in served.jobs.calls} == {"info"}


def test_the_other_half_of_a_frame_may_come_late(served: Served) -> None:
    call = make_frame("jobs", "put", "job", 0, bytes(MEBIBYTE))
    with open_session(served, "jobs") as sock:
        sock.sendall(call[:MEBIBYTE])
        assert served.dial_jobs().info()
        sock.sendall(call[MEBIBYTE:])
        read_frame(sock)
    assert [method for method, _ in served.jobs.calls] == ["info", "put"]


def test_a_thousand_connections_that_say_nothing_cost_little_and_keep_nobody_out() -> None:
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * SILENT + 200
    if hard < needed:
        pytest.skip("too few files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limit, needed), hard))
    process = psutil.Process()
    try:
        with contextlib.ExitStack() as stack:
            limits = ServerLimits(handshake_seconds=PATIENCE_SECONDS, max_pending=2 * SILENT)
            served = stack.enter_context(serve(limits))
            assert served.dial_jobs().info()
            before = process.memory_info().rss
            silent = [stack.enter_context(dial_bare(served.address)) for _ in range(SILENT)]
            assert all(is_challenge(sock.recv(4096)) for sock in silent)
            assert process.memory_info().rss - before < SILENT * MOST_SILENT_BYTES
            begun = time.monotonic()
            assert served.dial_jobs().info()
            assert time.monotonic() - begun < PATIENCE_SECONDS / 2
        wait_until(lambda: served.count_connections() == 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def test_a_client_that_goes_away_has_its_call_cancelled(served: Served) -> None:
    gate = Gate(served.loop)
    finished: list[str] = []

    async def answer(job: str) -> JobStatus:
        await gate.wait()
        finished.append(job)
        return make_message(JobStatus, id=job)

    served.jobs.answers["status"] = answer
    with open_session(served, "jobs") as sock:
        sock.sendall(make_frame("jobs", "status", "one"))
        assert gate.reached.wait(PATIENCE_SECONDS)
    wait_until(lambda: gate.waiting == 0)
    wait_until(lambda: served.count_connections() == 0)
    gate.open()
    assert served.dial_jobs().info()
    assert finished == []


def test_a_server_that_stops_answers_the_call_under_way_and_begins_no_other(
    served: Served,
) -> None:
    gate = Gate(served.loop)

    async def answer(job: str) -> JobStatus:
        await gate.wait()
        return make_message(JobStatus, id=job)

    served.jobs.answers["status"] = answer
    with open_session(served, "jobs") as sock:
        sock.sendall(make_frame("jobs", "status", "one") * 2)
        assert gate.reached.wait(PATIENCE_SECONDS)
        (session,) = served.server._connections.values()
        assert session
        stopping = asyncio.run_coroutine_threadsafe(served.server.stop(), served.loop)
        wait_until(lambda: session.is_ending)
        gate.open()
        read_frame(sock)
        with contextlib.suppress(ConnectionResetError):
            assert sock.recv(1) == b""
    stopping.result(PATIENCE_SECONDS)
    assert len(served.jobs.calls) == 1
