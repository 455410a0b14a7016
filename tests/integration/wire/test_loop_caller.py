"""Calls from a loop: what comes between them and their answers, and what the caller is told."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi
from headrace_wire.connection import MsgpackConnection
from headrace_wire.encoding import pack
from headrace_wire.errors import (
    KeyRefusedError,
    ProtocolError,
    UnexpectedAnswerError,
    UnknownJobError,
    UnreachableError,
    UsageError,
)
from headrace_wire.loop import Answer
from headrace_wire.loop_caller import LoopCaller
from headrace_wire.manager import QueueManager
from headrace_wire.messages import JobStatus
from headrace_wire.version import PROTOCOL
from support.commands import wait_until
from support.steps import Calls
from support.wire_messages import make_message
from support.wire_server import KEY, PATIENCE_SECONDS, Gate, Served, make_tcp_pair, serve

#: Seconds without a byte after which an answer counts as lost in these tests.
SHORT_SECONDS = 0.3


@pytest.fixture
def calls() -> Iterator[Calls]:
    with Calls() as calls:
        yield calls


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        answer_by_name(served)
        yield served


@contextmanager
def open_caller(
    calls: Calls,
    address: Address,
    *,
    key: bytes = KEY,
    patience_seconds: float = 0.0,
    answer_seconds: float = PATIENCE_SECONDS,
    on_lost: Callable[[UnreachableError], None] | None = None,
) -> Iterator[LoopCaller[JobQueueApi]]:
    manager = QueueManager(address, key, patience_seconds=patience_seconds, on_lost=on_lost)
    caller = manager.loop_jobs(calls.loop, answer_seconds)
    try:
        yield caller
    finally:
        calls.run(caller.close)


def answer_by_name(served: Served) -> None:
    """Let ``status`` say which job was asked about, so that no answer looks like another."""
    served.jobs.answers["status"] = lambda job: make_message(JobStatus, id=job)


def answer_at_gate(served: Served) -> Gate:
    """Let ``status`` wait at a gate."""
    gate = Gate(served.loop)

    async def answer(job: str) -> JobStatus:
        await gate.wait()
        return make_message(JobStatus, id=job)

    served.jobs.answers["status"] = answer
    return gate


def ask(caller: LoopCaller[JobQueueApi], job: str) -> Answer[str]:
    status = yield from caller.call(JobQueueApi.status, job)
    return status.id


def test_calls_share_one_connection(calls: Calls, served: Served) -> None:
    def ask_twice() -> Answer[list[str]]:
        first = yield from ask(caller, "one")
        second = yield from ask(caller, "two")
        return [first, second]

    with open_caller(calls, served.address) as caller:
        assert calls.answer(ask_twice()) == ["one", "two"]
        assert calls.answer(ask(caller, "three")) == "three"
        assert served.count_sessions() == 1
    wait_until(lambda: not served.count_sessions())


def test_while_a_call_waits_others_go_on(calls: Calls, served: Served) -> None:
    gate = answer_at_gate(served)
    with (
        open_caller(calls, served.address) as caller,
        open_caller(calls, served.address) as another,
    ):
        waiting = calls.begin(ask(caller, "one"))
        assert gate.reached.wait(PATIENCE_SECONDS)
        assert calls.answer(another.call(JobQueueApi.jobs))
        assert not waiting.done()
        gate.open()
        assert waiting.result(PATIENCE_SECONDS) == "one"


def test_large_requests_and_answers_come_whole(calls: Calls, served: Served) -> None:
    size = 32 << 20
    sizes: list[int] = []

    def take(job: str, start: int, inputs: bytes) -> int:
        sizes.append(len(inputs))
        return start

    served.jobs.answers["put"] = take
    served.jobs.answers["status"] = lambda _: make_message(JobStatus, id="x" * size)
    with open_caller(calls, served.address) as caller:
        assert calls.answer(caller.call(JobQueueApi.put, "job", 7, bytes(size))) == 7
        assert calls.answer(ask(caller, "one")) == "x" * size
    assert sizes == [size]


def test_what_the_answer_says_is_raised_and_the_connection_kept(
    calls: Calls, served: Served
) -> None:
    def fail(job: str) -> JobStatus:
        raise UnknownJobError(f"no job {job}")

    served.jobs.answers["status"] = fail
    with open_caller(calls, served.address, patience_seconds=PATIENCE_SECONDS) as caller:
        for _ in range(2):
            with pytest.raises(UnknownJobError, match="no job one"):
                calls.answer(ask(caller, "one"))
        assert served.count_sessions() == 1


def test_a_message_over_the_cap_is_never_sent(
    calls: Calls, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_wire.connection.MAX_FRAME_BYTES", 1000)
    with (
        open_caller(calls, served.address) as caller,
        pytest.raises(UsageError, match="too large"),
    ):
        calls.answer(caller.call(JobQueueApi.put, "job", 0, bytes(1000)))


def test_a_call_that_waits_through_a_restart_is_answered(calls: Calls) -> None:
    lost: list[UnreachableError] = []
    with serve() as first:
        gate = answer_at_gate(first)
        manager = QueueManager(
            first.address, KEY, patience_seconds=PATIENCE_SECONDS, on_lost=lost.append
        )
        caller = manager.loop_jobs(calls.loop)
        waiting = calls.begin(ask(caller, "one"))
        assert gate.reached.wait(PATIENCE_SECONDS)
    with serve(address=first.address) as second:
        answer_by_name(second)
        assert waiting.result(PATIENCE_SECONDS) == "one"
        assert second.jobs.calls == [("status", ("one",))], "repeated as it was"
        calls.run(caller.close)
    assert lost
    assert (
        str(lost[0]) == f"the coordinator at {first.address} went away (the connection was closed)"
    )


def test_a_connection_that_ended_between_calls_is_no_loss(calls: Calls) -> None:
    lost: list[UnreachableError] = []
    with serve() as first:
        answer_by_name(first)
        manager = QueueManager(
            first.address, KEY, patience_seconds=PATIENCE_SECONDS, on_lost=lost.append
        )
        caller = manager.loop_jobs(calls.loop)
        assert calls.answer(ask(caller, "one")) == "one"
    with serve(address=first.address) as second:
        answer_by_name(second)
        assert calls.answer(ask(caller, "two")) == "two"
        calls.run(caller.close)
    assert not lost


def test_a_coordinator_that_does_not_come_back_is_given_up(calls: Calls) -> None:
    lost: list[UnreachableError] = []
    with serve() as gone:
        pass
    with open_caller(calls, gone.address, patience_seconds=0.3, on_lost=lost.append) as caller:
        with pytest.raises(UnreachableError) as caught:
            calls.answer(ask(caller, "one"))
        assert str(caught.value).startswith(f"no coordinator answers at {gone.address}")
        assert len(lost) > 1
        assert all("\n" not in str(error) for error in lost)


def test_without_patience_there_is_one_attempt(calls: Calls) -> None:
    lost: list[UnreachableError] = []
    with serve() as gone:
        pass
    with open_caller(calls, gone.address, on_lost=lost.append) as caller:
        with pytest.raises(UnreachableError):
            calls.answer(ask(caller, "one"))
        assert not lost


def test_a_call_that_is_called_off_ends_its_trying(calls: Calls) -> None:
    tried = threading.Event()
    with serve() as gone:
        pass
    with open_caller(
        calls, gone.address, patience_seconds=3600, on_lost=lambda _: tried.set()
    ) as caller:
        waiting = calls.begin(ask(caller, "one"))
        assert tried.wait(PATIENCE_SECONDS)
        calls.call_off(waiting)
        assert not waiting.done()


def test_after_one_that_was_called_off_the_next_call_gets_its_own_answer(
    calls: Calls, served: Served
) -> None:
    gate = answer_at_gate(served)
    with open_caller(calls, served.address) as caller:
        waiting = calls.begin(ask(caller, "one"))
        assert gate.reached.wait(PATIENCE_SECONDS)
        calls.call_off(waiting)
        wait_until(lambda: gate.waiting == 0)
        answer_by_name(served)
        assert calls.answer(ask(caller, "two")) == "two"
        assert not waiting.done()


def test_one_that_is_called_off_while_it_dials_leaves_no_connection(
    calls: Calls, served: Served
) -> None:
    answer_at_gate(served)
    with open_caller(calls, served.address) as caller:
        waiting = calls.begin(ask(caller, "one"))
        calls.settle()
        calls.call_off(waiting)
        wait_until(lambda: not served.count_connections())
        answer_by_name(served)
        assert calls.answer(ask(caller, "two")) == "two"
        wait_until(lambda: served.count_sessions() == 1)


def test_a_key_that_is_refused_is_final_at_once(calls: Calls, served: Served) -> None:
    with (
        open_caller(calls, served.address, key=b"another key" * 3, patience_seconds=3600) as caller,
        pytest.raises(KeyRefusedError),
    ):
        calls.answer(ask(caller, "one"))


def test_another_protocol_is_final_at_once(
    calls: Calls, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_wire.greeting.PROTOCOL", PROTOCOL + 6)
    with (
        open_caller(calls, served.address, patience_seconds=3600) as caller,
        pytest.raises(ProtocolError, match=f"protocol {PROTOCOL + 6}"),
    ):
        calls.answer(ask(caller, "one"))


@contextmanager
def open_other_side(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, answer_seconds: float = PATIENCE_SECONDS
) -> Iterator[tuple[LoopCaller[JobQueueApi], socket.socket]]:
    """A caller without patience, and the other end of the connection that it will have."""
    near, far = make_tcp_pair()
    far.settimeout(PATIENCE_SECONDS)
    monkeypatch.setattr(LoopCaller, "_dial", lambda _: MsgpackConnection(near))
    with far, open_caller(calls, Address("there", 1), answer_seconds=answer_seconds) as caller:
        yield caller, far


def send_frame(sock: socket.socket, body: bytes) -> None:
    sock.sendall(struct.pack("!i", len(body)) + body)


def test_an_answer_of_which_nothing_comes_counts_as_lost(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_other_side(calls, monkeypatch, SHORT_SECONDS) as (caller, far):
        with pytest.raises(UnreachableError, match=r"there:1 went away \(timed out\)"):
            calls.answer(ask(caller, "one"))
        while far.recv(4096):
            pass


def test_an_answer_that_moves_may_take_its_time(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause = threading.Event()
    with open_other_side(calls, monkeypatch, SHORT_SECONDS) as (caller, far):
        waiting = calls.begin(caller.call(JobQueueApi.put, "job", 0, b""))
        body = pack(["#RETURN", 2**40])
        for byte in struct.pack("!i", len(body)) + body:
            far.sendall(bytes([byte]))
            pause.wait(SHORT_SECONDS / 4)
        assert waiting.result(PATIENCE_SECONDS) == 2**40


def test_an_answer_comes_through_though_its_sender_has_closed(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_other_side(calls, monkeypatch) as (caller, far):
        waiting = calls.begin(caller.call(JobQueueApi.put, "job", 0, b""))
        assert far.recv(4096)
        calls.loop.call(lambda: answer_and_close(far, 7))
        assert waiting.result(PATIENCE_SECONDS) == 7
        assert caller._connection is not None
        assert caller._connection.closed, "the next call dials anew"


def answer_and_close(sock: socket.socket, value: int) -> None:
    send_frame(sock, pack(["#RETURN", value]))
    sock.close()


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        pack(["#RETURN"]),
        pack(["#NEWS", 1]),
        pack(["#RETURN", "no number"]),
    ],
    ids=["no msgpack", "too short", "another kind", "another type"],
)
def test_an_answer_that_is_none_is_told_in_one_line(
    calls: Calls, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with open_other_side(calls, monkeypatch) as (caller, far):
        waiting = calls.begin(caller.call(JobQueueApi.put, "job", 0, b""))
        assert far.recv(4096)
        send_frame(far, body)
        with pytest.raises(UnexpectedAnswerError) as caught:
            waiting.result(PATIENCE_SECONDS)
        assert "\n" not in str(caught.value)


def test_an_answer_that_nobody_asked_for_ends_the_connection(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_other_side(calls, monkeypatch) as (caller, far):
        waiting = calls.begin(caller.call(JobQueueApi.put, "job", 0, b""))
        assert far.recv(4096)
        send_frame(far, pack(["#RETURN", 7]))
        assert waiting.result(PATIENCE_SECONDS) == 7
        send_frame(far, pack(["#RETURN", 8]))
        assert far.recv(4096) == b""
