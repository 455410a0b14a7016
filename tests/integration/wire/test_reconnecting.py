"""What comes between a call and its answer: restarts, signals, threads, forks."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NoReturn

import pytest

from headrace_wire.errors import ClosedError, UnreachableError
from headrace_wire.manager import Proxy, QueueManager
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.stream import FrameStream
from support.commands import wait_until
from support.wire_messages import make_message
from support.wire_server import (
    KEY,
    PATIENCE_SECONDS,
    Gate,
    Served,
    answer_at_gate,
    answer_by_name,
    serve,
)

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import FrameType

    from headrace_wire.api import JobQueueApi
    from headrace_wire.connection import MsgpackConnection

# Another test may have left a thread, which Python 3.12 warns of when a test forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def test_a_call_that_waits_through_a_restart_is_answered() -> None:
    lost: list[UnreachableError] = []
    with ThreadPoolExecutor(1) as pool:
        with serve() as first:
            gate = answer_at_gate(first)
            manager = QueueManager(
                first.address, KEY, patience_seconds=PATIENCE_SECONDS, on_lost=lost.append
            )
            answer = pool.submit(manager.jobs().status, "one")
            assert gate.reached.wait(PATIENCE_SECONDS)
        assert gate.waiting == 0, "it is called off when the server stops"
        with serve(address=first.address) as second:
            answer_by_name(second)
            assert answer.result(PATIENCE_SECONDS).id == "one"
            assert second.jobs.calls == [("status", ("one",))]
    assert lost
    assert all("\n" not in str(error) for error in lost)


def test_a_client_from_before_a_restart_goes_on_after_it() -> None:
    with serve() as first:
        client = first.dial_jobs(patience_seconds=PATIENCE_SECONDS)
        client.info()
    with serve(address=first.address) as second:
        answer_by_name(second)
        assert client.status("two").id == "two"


def test_a_coordinator_that_does_not_come_back_is_given_up() -> None:
    with serve() as gone:
        client = gone.dial_jobs(patience_seconds=0.3)
        client.info()
    with pytest.raises(UnreachableError) as caught:
        client.info()
    assert str(caught.value).startswith(f"no coordinator answers at {gone.address}")


class AlarmError(Exception):
    """What a program's own signal handler may raise."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, AlarmError, BaseException])
def test_after_an_interruption_the_next_call_gets_its_own_answer(
    served: Served, kind: type[BaseException]
) -> None:
    gate = Gate(served.loop)

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise kind

    async def answer_late(job: str) -> JobStatus:
        main = threading.main_thread().ident
        assert main is not None
        # Python looks for signals before it reads: one that comes in between waits for an answer.
        for _ in range(3):
            signal.pthread_kill(main, signal.SIGUSR1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(gate.wait(), 10.0)
                break
        return make_message(JobStatus, id=job)

    served.jobs.answers["status"] = answer_late
    client = served.dial_jobs()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(kind) as caught:
            client.status("interrupted")
        assert caught.type is kind
    finally:
        signal.signal(signal.SIGUSR1, before)
        gate.open()
    answer_by_name(served)
    assert client.status("next").id == "next"


def test_an_interruption_closes_the_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy("jobs", served.address, KEY)
    proxy.call("info", [])
    link = proxy._idle[-1]

    def interrupt() -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(link, "receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        proxy.call("info", [])
    assert link.closed
    assert link._socket.fileno() == -1


def test_two_threads_have_two_connections(served: Served) -> None:
    answer_at_gate(served, most=2)
    client = served.dial_jobs()
    with ThreadPoolExecutor(2) as pool:
        names = [str(number) for number in range(20)]
        assert [status.id for status in pool.map(client.status, names)] == names
        assert served.count_sessions() == 2


def test_closing_a_manager_ends_a_call_that_waits_and_closes_every_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    links: list[MsgpackConnection] = []
    connect = Proxy._connect

    def note(self: Proxy, until: float | None) -> MsgpackConnection:
        links.append(connect(self, until))
        return links[-1]

    monkeypatch.setattr(Proxy, "_connect", note)
    gate = answer_at_gate(served)
    manager = QueueManager(served.address, KEY, patience_seconds=1000.0)
    jobs, results = manager.jobs(), manager.results()
    assert jobs.info()
    assert results.failures("job", 0, 1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(jobs.status, "one")
        assert gate.reached.wait(PATIENCE_SECONDS)
        manager.close()
        with pytest.raises(ClosedError):
            waiting.result(PATIENCE_SECONDS)
    with pytest.raises(ClosedError):
        jobs.info()
    wait_until(lambda: gate.waiting == 0)
    assert len(links) == 2
    assert all(link.closed and link._socket.fileno() == -1 for link in links)


def test_an_interrupted_manager_ends_what_waits_and_tries_what_follows_once(
    served: Served,
) -> None:
    gate = answer_at_gate(served)
    manager = QueueManager(served.address, KEY, patience_seconds=1000.0)
    jobs = manager.jobs()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(jobs.status, "one")
        assert gate.reached.wait(PATIENCE_SECONDS)
        manager.interrupt()
        with pytest.raises(UnreachableError):
            waiting.result(PATIENCE_SECONDS)
    assert jobs.info()
    manager.close()


def test_a_call_after_closing_dials_again(served: Served) -> None:
    proxy = Proxy("jobs", served.address, KEY)
    answer = proxy.call("info", [])
    first = proxy._idle[-1]
    proxy.close()
    assert proxy.call("info", []) == answer
    assert proxy._idle[-1] is not first


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[FrameStream]:
    """Every connection that a server in this process accepts."""
    streams: list[FrameStream] = []

    class NotedStream(FrameStream):
        def __init__(self) -> None:
            super().__init__()
            streams.append(self)

    monkeypatch.setattr("headrace_wire.stream.FrameStream", NotedStream)
    return streams


def use_in_child(client: JobQueueApi, pipe: Connection) -> None:
    """Tell when the child runs, and then call as often as asked."""
    pipe.send_bytes(b"here")
    while name := pipe.recv_bytes().decode():
        pipe.send_bytes(client.status(name).id.encode())


def test_a_forked_child_does_not_dial_until_it_calls_and_then_has_its_own_connection(
    accepted: list[FrameStream], served: Served
) -> None:
    answer_by_name(served)
    client = served.dial_jobs()
    assert client.status("parent").id == "parent"
    near, far = multiprocessing.Pipe()
    with near, far:
        child = multiprocessing.get_context("fork").Process(target=use_in_child, args=(client, far))
        child.start()
        try:
            assert near.poll(PATIENCE_SECONDS)
            assert near.recv_bytes() == b"here"
            assert client.status("still the parent").id == "still the parent"
            assert len(accepted) == 1
            near.send_bytes(b"child")
            assert near.poll(PATIENCE_SECONDS)
            assert near.recv_bytes() == b"child"
            assert len(accepted) == 2
            assert client.status("the parent again").id == "the parent again"
            near.send_bytes(b"")
            child.join(PATIENCE_SECONDS)
            assert child.exitcode == 0
        finally:
            child.kill()
            child.join()
            child.close()
    assert len(accepted) == 2
