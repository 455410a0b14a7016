"""Answers to calls from an event loop that do not come, come slowly, or are none."""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from headrace_wire import async_caller
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi
from headrace_wire.encoding import pack
from headrace_wire.errors import UnexpectedAnswerError, UnreachableError
from headrace_wire.stream import FrameStream
from support.async_calls import open_caller
from support.event_loops import in_event_loop, until
from support.wire_server import PATIENCE_SECONDS, make_tcp_pair

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from headrace_wire.async_caller import AsyncCaller

#: Seconds without a byte after which an answer counts as lost in these tests.
SHORT_SECONDS = 0.3


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
