"""Sides of different versions over a real connection."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import os
import socket
import threading
import time
from multiprocessing import connection
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire import greeting
from headrace_wire.address import Address
from headrace_wire.api import APIS, JobQueueApi
from headrace_wire.encoding import pack, unpack
from headrace_wire.errors import ProtocolError, UnknownMethodError
from headrace_wire.handshake import answer_challenge, deliver_challenge
from headrace_wire.manager import Proxy, QueueManager
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.views import CoordinatorInfo
from headrace_wire.messages.workers import WorkerInfo
from headrace_wire.signature import read_signatures
from headrace_wire.version import PROTOCOL, VERSION
from support.commands import Site, open_site, wait_until
from support.next_version import AFTER_NEXT, BEFORE, NEXT, NEXT_SITE, grow
from support.wire_messages import make_example, make_message, read_methods
from support.wire_peer import KeyHolder, follow
from support.wire_server import KEY, PATIENCE_SECONDS, Served, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUBMIT = read_signatures(JobQueueApi)["submit"].arguments


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        yield served


def test_a_newer_client_is_understood(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "HELLO", [PROTOCOL, NEXT])
    spec = make_message(JobSpec, parameters=b"p" * 100_000)
    answer = Proxy("jobs", served.address, KEY).call("submit", grow(SUBMIT, SUBMIT(spec)))
    assert served.jobs.calls == [("submit", (spec,))]
    assert answer == read_answer("submit")


def test_a_newer_worker_is_understood(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "HELLO", [PROTOCOL, NEXT])
    proxy = Proxy("jobs", served.address, KEY)
    info, request = make_message(WorkerInfo), make_message(LeaseRequest)
    for method, arguments in (("register", (info, ())), ("lease", (request,))):
        kind = read_signatures(JobQueueApi)[method].arguments
        assert proxy.call(method, grow(kind, kind(*arguments))) == read_answer(method)
    assert served.jobs.calls == [("register", (info, ())), ("lease", (request,))]


def test_a_newer_coordinator_is_understood(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "VERSION", NEXT)
    answer_newly(served)
    manager = QueueManager(served.address, KEY)
    for api, caller in zip(
        APIS.values(), (manager.jobs(), manager.results(), manager.shared()), strict=True
    ):
        for name, (hints, answer) in read_methods(api).items():
            given = getattr(caller, name)(*map(make_example, hints))
            assert given == make_example(answer), name


def test_a_newer_coordinator_is_understood_in_an_event_loop(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "VERSION", NEXT)
    answer_newly(served)
    caller = QueueManager(served.address, KEY).async_jobs()

    async def ask() -> list[CoordinatorInfo]:
        try:
            return [await caller.call(JobQueueApi.info) for _ in range(2)]
        finally:
            caller.close()

    assert asyncio.run(ask()) == [read_answer("info")] * 2


def read_answer(method: str) -> Any:
    """What a double of the job queue answers."""
    return make_example(read_methods(JobQueueApi)[method][1])


def answer_newly(served: Served) -> None:
    """Have a coordinator's doubles answer with more than is known here."""
    doubles = (served.jobs, served.results, served.shared)
    for api, double in zip(APIS.values(), doubles, strict=True):
        for name, (_, answer) in read_methods(api).items():
            double.answers[name] = lambda *_, hint=answer: grow(hint, make_example(hint))


@pytest.mark.parametrize(
    ("version", "advice"),
    [(NEXT, "upgrade the coordinator"), (BEFORE, "upgrade this side")],
)
def test_a_call_that_the_coordinator_does_not_know_is_answered_in_one_line(
    served: Served, monkeypatch: pytest.MonkeyPatch, version: str, advice: str
) -> None:
    monkeypatch.setattr(greeting, "HELLO", [PROTOCOL, version])
    proxy = Proxy("jobs", served.address, KEY)
    proxy._signatures = {**proxy._signatures, "pause": proxy._signatures["cancel"]}
    with pytest.raises(UnknownMethodError) as caught:
        proxy.call("pause", proxy._signatures["cancel"].arguments("job"))
    assert str(caught.value) == (
        f"the coordinator is headrace {VERSION} and does not know 'pause', which headrace "
        f"{version} calls: {advice}"
    )
    assert proxy.call("info", read_signatures(JobQueueApi)["info"].arguments())


def test_who_is_of_the_same_version_is_not_told_of_methods(served: Served) -> None:
    with KeyHolder(served.address) as peer:
        peer.send_call("hello", PROTOCOL, VERSION)
        peer.receive()
        peer.send_call("accept_connection", "jobs")
        peer.receive()
        peer.send_call("pause", "job")
        assert peer.read_to_end() == []


def test_more_fields_than_are_known_are_refused_of_the_same_version(served: Served) -> None:
    spec = make_message(JobSpec)
    with pytest.raises(ProtocolError, match="malformed submit"):
        Proxy("jobs", served.address, KEY).call("submit", grow(SUBMIT, SUBMIT(spec)))
    assert served.jobs.calls == []


def test_a_client_too_new_is_told_on_both_sides(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(greeting, "HELLO", [PROTOCOL, AFTER_NEXT])
    with pytest.raises(ProtocolError, match="upgrade the coordinator first") as caught:
        served.dial_jobs(patience_seconds=3600).info()
    assert f"(headrace {AFTER_NEXT})" in str(caught.value)
    wait_until(lambda: str(caught.value) in caplog.text)


def test_a_coordinator_too_new_is_told_even_if_it_would_let_this_side_in(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "VERSION", AFTER_NEXT)
    monkeypatch.setattr(greeting, "check_peer", lambda *_, **__: 0)
    with pytest.raises(ProtocolError, match="upgrade this side") as caught:
        served.dial_jobs(patience_seconds=3600).info()
    assert f"the coordinator {PROTOCOL} (headrace {AFTER_NEXT})" in str(caught.value)


def prove_first(link: connection.Connection) -> None:
    """Answer a challenge as version 0.1 did on Python 3.11."""
    message = link.recv_bytes().removeprefix(b"#CHALLENGE#")
    link.send_bytes(hmac.new(KEY, message, hashlib.md5).digest())


def challenge_first(link: connection.Connection) -> bool:
    """Send a challenge of version 0.1, and tell whether the answer to it is right."""
    message = os.urandom(20)
    link.send_bytes(b"#CHALLENGE#" + message)
    return link.recv_bytes() == hmac.new(KEY, message, hashlib.md5).digest()


@pytest.mark.parametrize("protocol", [4, PROTOCOL])
def test_a_client_of_the_first_version_is_told_what_to_upgrade(
    served: Served, protocol: int, caplog: pytest.LogCaptureFixture
) -> None:
    with connection.Client((served.address.host, served.address.port), "AF_INET") as link:
        prove_first(link)
        assert link.recv_bytes() == b"#WELCOME#"
        assert challenge_first(link)
        link.send_bytes(b"#WELCOME#")
        link.send_bytes(pack([None, "hello", [protocol, VERSION if protocol > 4 else "0.1.0"], {}]))
        if protocol == 4:
            kind, error = unpack(link.recv_bytes())
            assert (kind, type(error)) == ("#ERROR", ProtocolError)
            assert "headrace 0.1.0" in str(error)
            assert "upgrade that client or worker" in str(error)
            wait_until(lambda: str(error) in caplog.text)
        with pytest.raises(EOFError):  # nobody is let in so
            link.recv_bytes()


def test_who_does_not_hold_the_key_learns_nothing_as_the_first_version(served: Served) -> None:
    with connection.Client((served.address.host, served.address.port), "AF_INET") as link:
        link.recv_bytes()
        link.send_bytes(bytes(16))
        assert link.recv_bytes() == b"#FAILURE#"


@contextlib.contextmanager
def serve_first(*, is_modern: bool, pause_seconds: float) -> Iterator[Address]:
    """A coordinator of version 0.1, as it was on Python 3.11 and on those after it.

    It pauses for so long before it says anything.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            # A client may come twice: it encrypts if the challenge is slow to arrive.
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listener.accept()
                    sock.settimeout(None)
                    with connection.Connection(sock.detach()) as link:
                        time.sleep(pause_seconds)
                        with contextlib.suppress(EOFError, OSError):
                            greet_first(link, is_modern=is_modern)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield Address(*listener.getsockname())
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE_SECONDS)


def greet_first(link: connection.Connection, *, is_modern: bool) -> None:
    if not is_modern:
        challenge_first(link)
        return
    follow(link, deliver_challenge(KEY))
    follow(link, answer_challenge(KEY))
    link.recv_bytes()
    line = (
        f"the other side speaks protocol {PROTOCOL} (headrace {VERSION}), the "
        "coordinator 4 (headrace 0.1.0): install one version on both"
    )
    link.send_bytes(pack(("#ERROR", ProtocolError(line))))


@pytest.mark.parametrize("is_modern", [False, True], ids=["Python 3.11", "Python 3.12"])
@pytest.mark.parametrize("pause_seconds", [0.0, 1.0], ids=["at once", "late"])
def test_a_coordinator_of_the_first_version_is_told_at_once(
    *, is_modern: bool, pause_seconds: float
) -> None:
    begun = time.monotonic()
    with (
        serve_first(is_modern=is_modern, pause_seconds=pause_seconds) as address,
        pytest.raises(ProtocolError) as caught,
    ):
        QueueManager(address, KEY, patience_seconds=3600).jobs().info()
    assert time.monotonic() - begun < PATIENCE_SECONDS
    line = str(caught.value)
    assert "headrace 0.1" in line
    assert f"headrace {VERSION}" in line
    assert "upgrade the coordinator first, then workers, then clients" in line


NEWER = {"PYTHONPATH": str(NEXT_SITE)}
SAME = {"PYTHONPATH": ""}


def count_primes(site: Site) -> None:
    done = site.shell.run("submit", "primes", "count", "0", "20000")
    assert (done.code, done.out.strip()) == (0, "2262")


def read_versions(site: Site) -> list[str]:
    """The coordinator's version, and those of its workers."""
    with site.open_cluster() as cluster:
        workers = [worker.version for worker in cluster.workers()]
        return [cluster.overview().version, *workers]


def test_a_newer_worker_and_a_newer_client_work_with_a_coordinator(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0, settings=SAME) as site:
        site.shell.settings |= NEWER
        site.add_worker("--slots", "1")
        count_primes(site)
        assert read_versions(site) == [VERSION, NEXT]


def test_the_coordinator_is_upgraded_while_a_worker_works(tmp_path: Path) -> None:
    with open_site(tmp_path, settings=SAME) as site:
        job = site.shell.run("submit", "primes", "count", "0", "5e9", "--detach").out.strip()
        wait_until(lambda: site.open_cluster().job(job).status.done)
        site.coordinator.stop()
        site.shell.settings |= NEWER
        site.restart_coordinator()
        site.shell.settings |= SAME
        done = site.shell.run("results", job)
        assert (done.code, done.out.strip()) == (0, "234954223")
        assert read_versions(site) == [NEXT, VERSION]


def test_a_peer_of_a_later_version_is_named_in_the_log_of_the_coordinator(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with KeyHolder(served.address) as peer:
        peer.send_call("hello", PROTOCOL + 1, AFTER_NEXT)
        peer.read_to_end()
    wait_until(lambda: f"headrace {AFTER_NEXT}" in caplog.text)
