"""The reconnecting client: lost servers, interruptions, threads, forks, large payloads."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import statistics
import threading
import time
from types import FrameType

import pytest

from headrace_wire.api import JobQueueApi
from headrace_wire.batch import pack_batch
from headrace_wire.connection import dial
from headrace_wire.errors import UnreachableError
from headrace_wire.messages import (
    CoordinatorInfo,
    Fetched,
    FetchRequest,
    JobStatus,
    ResultRun,
    WorkerStatus,
)
from support.wire_messages import ApiDouble, make_message
from support.wire_server import KEY, Served, serve


class Interrupted(Exception):  # noqa: N818 - not an error of ours
    """What a signal's handler raises in these tests."""


def test_a_call_survives_a_server_that_is_replaced_on_its_port() -> None:
    with serve() as first:
        client = first.dial_jobs(patience_seconds=20.0)
        client.info()
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(client.info()))
    waiting.start()
    with serve(address=first.address) as second:
        waiting.join(20)
        assert len(answers) == 1
        assert second.jobs.calls == [("info", ())]


def test_without_a_server_a_call_fails_and_names_the_address() -> None:
    with serve() as served:
        client = served.dial_jobs()
        client.info()
    with pytest.raises(UnreachableError, match=str(served.address.port)):
        client.info()


@pytest.mark.parametrize("banner", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"", b"\x00\x00\x00\x01x"])
def test_what_is_no_coordinator_is_told_from_one(banner: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(banner)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UnreachableError, match="headrace coordinator"):
            dial(listener.getsockname(), authkey=KEY)
        thread.join(10)


def test_an_interrupted_call_does_not_leave_its_answer_to_the_next() -> None:
    release = threading.Event()
    jobs = ApiDouble(JobQueueApi)
    first = threading.Event()

    def wait(_: str) -> JobStatus:
        first.set()
        release.wait(20)
        return make_message(JobStatus)

    jobs.answers["status"] = wait

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted

    old = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with serve(jobs=jobs) as served:
            client = served.dial_jobs()

            def send() -> None:
                first.wait(20)
                os.kill(os.getpid(), signal.SIGUSR1)

            sender = threading.Thread(target=send)
            sender.start()
            with pytest.raises(Interrupted):
                client.status("slow")
            sender.join(10)
            assert client.workers() == (make_message(WorkerStatus),) * 2
            release.set()
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_each_thread_has_a_connection_of_its_own() -> None:
    together = threading.Barrier(3, timeout=20)
    jobs = ApiDouble(JobQueueApi)

    def meet() -> CoordinatorInfo:
        together.wait()  # with one connection for all, nobody would ever meet
        return make_message(CoordinatorInfo)

    jobs.answers["info"] = meet
    with serve(jobs=jobs) as served:
        client = served.dial_jobs()
        threads = [threading.Thread(target=client.info) for _ in range(2)]
        for thread in threads:
            thread.start()
        together.wait()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def test_a_forked_child_does_not_dial() -> None:
    with serve() as served:
        client = served.dial_jobs()
        client.info()
        before = count_sockets()
        reading, writing = os.pipe()
        child = os.fork()
        if not child:  # BaseProxy's after-fork hook would have connected by now
            os.write(writing, b"%d" % count_sockets())
            os._exit(0)
        os.waitpid(child, 0)
        assert int(os.read(reading, 10)) == before
        os.close(reading)
        os.close(writing)


def count_sockets() -> int:
    """Sockets that this process has open."""
    found = 0
    for descriptor in range(3, 256):
        with contextlib.suppress(OSError):
            found += stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    return found


def fetch_large(served: Served, size: int) -> bytes:
    batch = pack_batch([os.urandom(1 << 10) * (size >> 10)])
    fetched = make_message(Fetched, runs=(ResultRun(0, 1, batch),))
    served.results.answers["fetch"] = lambda _: fetched
    answer = served.dial_results().fetch(make_message(FetchRequest))
    assert answer.runs[0].values == batch
    return batch


@pytest.mark.parametrize("size", [8 << 20, 100 << 20])
def test_large_payloads_arrive_whole_both_ways(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as served:
        batch = fetch_large(served, size)
        served.dial_jobs().put("job", 0, batch)
        ((method, arguments),) = served.jobs.calls
        assert (method, arguments[2] == batch) == ("put", True)


@pytest.mark.parametrize("size", [16 << 10, 20 << 10, 40 << 10])
def test_messages_of_some_kilobytes_do_not_stall(size: int) -> None:
    """Nagle's algorithm and delayed acknowledgements made these take 44 ms."""
    batch = pack_batch([bytes(size)])
    with serve() as served:
        client = served.dial_jobs()
        client.put("job", 0, batch)
        taken: list[float] = []
        for _ in range(50):
            started = time.perf_counter()
            client.put("job", 0, batch)
            taken.append(time.perf_counter() - started)
    assert statistics.median(taken) < 0.02
