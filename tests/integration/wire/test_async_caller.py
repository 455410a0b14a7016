"""Calls from an event loop: what comes between them and their answers, and what is told."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from headrace_wire import async_caller
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi
from headrace_wire.async_caller import AsyncCaller
from headrace_wire.connection import IDLE_CONNECTIONS
from headrace_wire.encoding import pack
from headrace_wire.errors import (
    BoundsError,
    ClosedError,
    KeyRefusedError,
    ProtocolError,
    UnexpectedAnswerError,
    UnknownJobError,
    UnreachableError,
    UsageError,
)
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.stream import FrameStream
from headrace_wire.timeouts import Limit
from headrace_wire.version import PROTOCOL, VERSION
from support.event_loops import cancel, in_event_loop, until
from support.wire_messages import make_message
from support.wire_server import KEY, PATIENCE_SECONDS, Gate, Served, make_tcp_pair, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


#: Seconds without a byte after which an answer counts as lost in these tests.
SHORT_SECONDS = 0.3


@pytest.fixture
def served() -> Iterator[Served]:
    with serve() as served:
        answer_by_name(served)
        yield served


@contextmanager
def open_caller(
    address: Address,
    *,
    key: bytes = KEY,
    patience_seconds: float = 0.0,
    answer_seconds: float = PATIENCE_SECONDS,
    on_lost: Callable[[UnreachableError], None] | None = None,
) -> Iterator[AsyncCaller[JobQueueApi]]:
    manager = QueueManager(address, key, patience_seconds=patience_seconds, on_lost=on_lost)
    caller = manager.async_jobs(answer_seconds)
    try:
        yield caller
    finally:
        caller.close()


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


async def ask(caller: AsyncCaller[JobQueueApi], job: str) -> str:
    return (await caller.call(JobQueueApi.status, job)).id


def begin(caller: AsyncCaller[JobQueueApi], job: str) -> asyncio.Task[str]:
    return asyncio.create_task(ask(caller, job))


async def reach(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.reached.wait, PATIENCE_SECONDS)


@in_event_loop
async def test_one_call_after_the_other_shares_a_connection(served: Served) -> None:
    with open_caller(served.address) as caller:
        assert [await ask(caller, job) for job in ("one", "two", "three")] == [
            "one",
            "two",
            "three",
        ]
        assert served.count_sessions() == 1
    await until(lambda: not served.count_sessions())


@in_event_loop
async def test_while_a_call_waits_others_go_on(served: Served) -> None:
    gate = answer_at_gate(served)
    with open_caller(served.address) as caller:
        waiting = begin(caller, "one")
        await reach(gate)
        assert await caller.call(JobQueueApi.jobs)
        assert not waiting.done()
        gate.open()
        assert await waiting == "one"


@in_event_loop
async def test_connections_that_are_not_needed_any_more_are_closed_but_for_one(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_caller, "SPARE_SECONDS", 0.05)
    gate = answer_at_gate(served)
    with open_caller(served.address) as caller:
        calls = [begin(caller, "a"), begin(caller, "b"), begin(caller, "c")]
        await until(lambda: gate.waiting == 3)
        assert served.count_sessions() == 3
        gate.open()
        await asyncio.gather(*calls)
        await until(lambda: served.count_sessions() == 1)
        assert await caller.call(JobQueueApi.jobs)  # by the one that is left
        assert served.count_sessions() == 1


@in_event_loop
async def test_no_thread_waits_for_calls_that_wait(served: Served) -> None:
    gate = answer_at_gate(served)
    calls = 3 * IDLE_CONNECTIONS
    with open_caller(served.address) as caller:
        before = threading.active_count()
        waiting = [begin(caller, f"job {number}") for number in range(calls)]
        while gate.waiting < calls:  # noqa: ASYNC110 - the server has a thread of its own
            await asyncio.sleep(0.01)
        assert threading.active_count() <= before
        gate.open()
        assert await asyncio.gather(*waiting) == [f"job {number}" for number in range(calls)]
        await until(lambda: served.count_sessions() == IDLE_CONNECTIONS)
        answer_by_name(served)
        assert await ask(caller, "again") == "again"


@in_event_loop
async def test_large_requests_and_answers_come_whole(served: Served) -> None:
    size = 32 << 20
    sizes: list[int] = []

    def take(job: str, start: int, inputs: bytes) -> int:
        del job
        sizes.append(len(inputs))
        return start

    served.jobs.answers["put"] = take
    served.jobs.answers["read"] = lambda _: bytes(size)
    with open_caller(served.address) as caller:
        assert await caller.call(JobQueueApi.put, "job", 7, bytes(size)) == 7
        assert await caller.call(JobQueueApi.read, "job") == bytes(size)
    assert sizes == [size]


@in_event_loop
async def test_what_the_answer_says_is_raised_and_the_connection_kept(served: Served) -> None:
    errors = {"unknown": UnknownJobError("no job"), "bounds": BoundsError("too large")}

    def fail(job: str) -> JobStatus:
        raise errors[job]

    served.jobs.answers["status"] = fail
    with open_caller(served.address, patience_seconds=PATIENCE_SECONDS) as caller:
        for job, error in errors.items():
            with pytest.raises(type(error), match=str(error)):
                await ask(caller, job)
        assert served.count_sessions() == 1


@in_event_loop
async def test_a_message_over_the_cap_is_never_sent(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_wire.connection.MAX_FRAME_BYTES", 1000)
    with open_caller(served.address) as caller, pytest.raises(UsageError, match="too large"):
        await caller.call(JobQueueApi.put, "job", 0, bytes(1000))
    assert not served.jobs.calls


@in_event_loop
async def test_a_call_that_waits_through_a_restart_is_answered() -> None:
    lost: list[UnreachableError] = []
    with serve() as first:
        gate = answer_at_gate(first)
        caller = QueueManager(
            first.address, KEY, patience_seconds=PATIENCE_SECONDS, on_lost=lost.append
        ).async_jobs()
        waiting = begin(caller, "one")
        await reach(gate)
    with serve(address=first.address) as second:
        answer_by_name(second)
        assert await waiting == "one"
        assert second.jobs.calls == [("status", ("one",))], "repeated as it was"
        caller.close()
    assert (
        str(lost[0]) == f"the coordinator at {first.address} went away (the connection was closed)"
    )


@in_event_loop
async def test_a_connection_that_ended_between_calls_is_no_loss() -> None:
    lost: list[UnreachableError] = []
    with serve() as first:
        answer_by_name(first)
        caller = QueueManager(
            first.address, KEY, patience_seconds=PATIENCE_SECONDS, on_lost=lost.append
        ).async_jobs()
        assert await ask(caller, "one") == "one"
        (stream,) = caller._idle
    await until(lambda: stream.closed)
    with serve(address=first.address) as second:
        answer_by_name(second)
        assert await ask(caller, "two") == "two"
        caller.close()
    assert not lost


@in_event_loop
async def test_a_coordinator_that_does_not_come_back_is_given_up() -> None:
    lost: list[UnreachableError] = []
    with serve() as gone:
        pass
    with open_caller(gone.address, patience_seconds=0.3, on_lost=lost.append) as caller:
        with pytest.raises(UnreachableError) as caught:
            await ask(caller, "one")
        assert str(caught.value) == (
            f"no coordinator answers at {gone.address} (Connection refused)"
        )
        assert len(lost) > 1
        assert all("\n" not in str(error) for error in lost)


@in_event_loop
async def test_without_patience_there_is_one_attempt() -> None:
    lost: list[UnreachableError] = []
    with serve() as gone:
        pass
    with open_caller(gone.address, on_lost=lost.append) as caller:
        with pytest.raises(UnreachableError):
            await ask(caller, "one")
        assert not lost


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "\u00e4" * 70])
@in_event_loop
async def test_a_host_name_that_leads_nowhere_is_told_in_one_line(host: str) -> None:
    with open_caller(Address(host, 7333)) as caller:
        with pytest.raises(UnreachableError) as caught:
            await ask(caller, "one")
        assert f"no coordinator answers at {host}:7333 (" in str(caught.value)
        assert "\n" not in str(caught.value)


@in_event_loop
async def test_a_name_is_looked_up_beside_the_event_loop(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = threading.get_ident()
    look_up = socket.getaddrinfo

    def look_up_aside(*arguments: Any, **how: Any) -> Any:
        numeric = how.get("flags") == socket.AI_NUMERICHOST
        assert numeric or threading.get_ident() != thread, "the event loop was blocked"
        return look_up(*arguments, **how)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_aside)
    with open_caller(Address("localhost", served.address.port)) as caller:
        assert await ask(caller, "one") == "one"


@in_event_loop
async def test_a_call_that_is_cancelled_ends_its_trying() -> None:
    tried = asyncio.Event()
    with serve() as gone:
        pass
    with open_caller(gone.address, patience_seconds=3600, on_lost=lambda _: tried.set()) as caller:
        waiting = begin(caller, "one")
        await tried.wait()
        await cancel(waiting)


@in_event_loop
async def test_after_one_that_was_cancelled_the_next_call_gets_its_own_answer(
    served: Served,
) -> None:
    gate = answer_at_gate(served)
    with open_caller(served.address) as caller:
        waiting = begin(caller, "one")
        await reach(gate)
        await cancel(waiting)
        await until(lambda: gate.waiting == 0)
        answer_by_name(served)
        assert await ask(caller, "two") == "two"


@in_event_loop
async def test_one_that_is_cancelled_while_it_connects_leaves_no_connection(
    served: Served,
) -> None:
    with open_caller(served.address) as caller:
        for steps in range(40):
            waiting = begin(caller, "one")
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        caller.close()
        await until(lambda: not served.count_connections())
        assert await ask(caller, "two") == "two"


@in_event_loop
async def test_a_limit_holds_for_a_call_that_hears_nothing(served: Served) -> None:
    answer_at_gate(served)
    with (
        open_caller(served.address, patience_seconds=3600) as caller,
        Limit.after(0.1).applied(),
        pytest.raises(UnreachableError, match="timed out"),
    ):
        await ask(caller, "one")


@in_event_loop
async def test_calls_of_a_caller_that_is_closed_for_good_say_so(served: Served) -> None:
    gate = answer_at_gate(served)
    with open_caller(served.address, patience_seconds=3600) as caller:
        waiting = begin(caller, "one")
        await reach(gate)
        caller.close(for_good=True)
        with pytest.raises(ClosedError):
            await waiting
        with pytest.raises(ClosedError):
            await ask(caller, "two")


@in_event_loop
async def test_a_key_that_is_refused_is_final_at_once(served: Served) -> None:
    with (
        open_caller(served.address, key=b"another key" * 3, patience_seconds=3600) as caller,
        pytest.raises(KeyRefusedError, match="name another key file"),
    ):
        await ask(caller, "one")


@in_event_loop
async def test_another_protocol_is_final_at_once(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_wire.greeting.HELLO", [PROTOCOL + 6, VERSION])
    with (
        open_caller(served.address, patience_seconds=3600) as caller,
        pytest.raises(ProtocolError, match=f"protocol {PROTOCOL + 6}"),
    ):
        await ask(caller, "one")


@pytest.mark.parametrize(
    "spoken", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", struct.pack("!i", 5) + b"hello"]
)
@in_event_loop
async def test_what_is_no_coordinator_is_told_in_one_line(
    spoken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace_wire.connection.HANDSHAKE_SECONDS", SHORT_SECONDS)

    def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(spoken)
        writers.append(writer)

    writers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        with open_caller(Address(*server.sockets[0].getsockname())) as caller:
            with pytest.raises(UnreachableError, match="did not finish the handshake") as caught:
                await ask(caller, "one")
            assert "\n" not in str(caught.value)
        for writer in writers:
            writer.close()


@contextmanager
def open_other_side(
    monkeypatch: pytest.MonkeyPatch, answer_seconds: float = PATIENCE_SECONDS
) -> Iterator[tuple[AsyncCaller[JobQueueApi], socket.socket]]:
    """A caller without patience, and the other end of the connection that it will have."""
    near, far = make_tcp_pair()
    far.settimeout(PATIENCE_SECONDS)

    async def connect(caller: AsyncCaller[JobQueueApi], until: float | None) -> FrameStream:
        del until
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(FrameStream, sock=near)
        stream.trust()
        caller._busy.add(stream)
        return stream

    monkeypatch.setattr(async_caller.AsyncCaller, "_connect", connect)
    with near, far, open_caller(Address("there", 1), answer_seconds=answer_seconds) as caller:
        yield caller, far


def send_frame(sock: socket.socket, body: bytes) -> None:
    sock.sendall(struct.pack("!i", len(body)) + body)


def begin_put(caller: AsyncCaller[JobQueueApi], inputs: bytes = b"") -> asyncio.Task[int]:
    return asyncio.create_task(caller.call(JobQueueApi.put, "job", 0, inputs))


async def read_some(sock: socket.socket) -> bytes:
    return await asyncio.to_thread(sock.recv, 4096)


@pytest.mark.parametrize("size", [0, 64 << 20], ids=["not answered", "not read"])
@in_event_loop
async def test_an_answer_of_which_nothing_comes_counts_as_lost(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    with open_other_side(monkeypatch, SHORT_SECONDS) as (caller, far):
        with pytest.raises(UnreachableError, match=r"there:1 went away \(timed out\)"):
            await begin_put(caller, bytes(size))
        while await read_some(far):
            pass


@in_event_loop
async def test_an_answer_that_moves_may_take_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    limit_seconds, step_seconds = 1.2, 0.075  # in between is room for a pause of a busy machine
    with open_other_side(monkeypatch, limit_seconds) as (caller, far):
        waiting = begin_put(caller)
        started = time.monotonic()
        body = pack(["#RETURN", 2**40])
        for byte in struct.pack("!i", len(body)) + body:
            far.sendall(bytes([byte]))
            await asyncio.sleep(step_seconds)
        assert await waiting == 2**40
        assert time.monotonic() - started > limit_seconds


@in_event_loop
async def test_an_answer_comes_through_though_its_sender_has_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_other_side(monkeypatch) as (caller, far):
        waiting = begin_put(caller)
        assert await read_some(far)
        send_frame(far, pack(["#RETURN", 7]))
        far.close()
        assert await waiting == 7
        await until(lambda: not caller._idle or caller._idle[0].closed)


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
@in_event_loop
async def test_an_answer_that_is_none_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    with open_other_side(monkeypatch) as (caller, far):
        waiting = begin_put(caller)
        assert await read_some(far)
        send_frame(far, body)
        with pytest.raises(UnexpectedAnswerError) as caught:
            await waiting
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("late", [False, True])
@in_event_loop
async def test_an_answer_that_nobody_asked_for_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
    late: bool,
) -> None:
    answers = [struct.pack("!i", len(body)) + body for body in (pack(["#RETURN", 7]),) * 2]
    with open_other_side(monkeypatch) as (caller, far):
        waiting = begin_put(caller)
        assert await read_some(far)
        far.sendall(answers[0] if late else b"".join(answers))
        assert await waiting == 7
        if late:
            far.sendall(answers[1])
        assert await read_some(far) == b""
