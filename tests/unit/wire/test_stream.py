"""Frames over a connection of an event loop: both directions, its end, and peers that are slow."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from headrace_wire import stream as streams
from headrace_wire.address import Address
from headrace_wire.dialing import open_stream
from headrace_wire.encryption import Encryption
from headrace_wire.framing import (
    MAX_HANDSHAKE_FRAME_BYTES,
    READ_BYTES,
    FrameTooLargeError,
    write_header,
)
from headrace_wire.parts import LARGE_BYTES
from headrace_wire.stream import FrameStream
from support.event_loops import cancel, in_event_loop, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: More than all buffers between two sides hold.
MUCH = 64 << 20

#: Seconds for something to move in these tests.
SHORT_SECONDS = 0.2

#: Seconds after which a stream here gives up, and those between two movements: in between there is
#: room for the pauses of a busy machine. So many movements take longer than giving up does.
STALL_SECONDS = 1.5
STEP_SECONDS = 0.05
STEPS = 40


@asynccontextmanager
async def open_pair() -> AsyncIterator[tuple[FrameStream, FrameStream]]:
    """A client's stream and the server's."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = await open_stream(Address(*listener.getsockname()), encryption=Encryption("off"))
        accepted, _ = listener.accept()
    _, far = await loop.connect_accepted_socket(FrameStream, accepted)
    near.trust()
    far.trust()
    try:
        yield near, far
    finally:
        near.abort()
        far.abort()


@asynccontextmanager
async def open_raw() -> AsyncIterator[tuple[FrameStream, socket.socket]]:
    """A stream, and a bare socket at the other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = await open_stream(Address(*listener.getsockname()), encryption=Encryption("off"))
        far, _ = listener.accept()
    far.setblocking(False)
    with far:
        yield stream, far
        stream.abort()


@in_event_loop
async def test_frames_go_both_ways_and_are_counted() -> None:
    async with open_pair() as (near, far):
        for body in (b"", b"short", bytes(LARGE_BYTES), bytes(5 << 20) + b"long"):
            for one, another in ((near, far), (far, near)):
                sending = asyncio.create_task(one.send([body[:3], body[3:]]))
                assert await another.receive() == body
                await sending
        assert near.bytes_out == far.bytes_in == near.bytes_in == far.bytes_out


@in_event_loop
async def test_frames_that_came_at_once_are_received_one_after_the_other() -> None:
    async with open_raw() as (stream, far):
        bodies = [b"one", b"", b"x" * 3 * READ_BYTES, b"two"]
        stream.trust()
        sent = b"".join(write_header(len(body)) + body for body in bodies)
        await asyncio.get_running_loop().sock_sendall(far, sent)
        assert [await stream.receive() for _ in bodies] == bodies
        assert not stream.unread


@in_event_loop
async def test_each_side_knows_the_other() -> None:
    async with open_pair() as (near, far):
        assert near.peer.startswith("127.0.0.1:")
        assert far.peer != near.peer


@in_event_loop
async def test_a_sender_waits_for_a_peer_that_does_not_read() -> None:
    async with open_pair() as (near, far):
        sending = asyncio.create_task(near.send([bytes(MUCH)]))
        done, _ = await asyncio.wait([sending], timeout=SHORT_SECONDS)
        assert not done
        assert len(await far.receive()) == MUCH
        await sending


@in_event_loop
async def test_a_sender_that_is_cancelled_ends_the_connection() -> None:
    async with open_pair() as (near, far):
        sending = asyncio.create_task(near.send([bytes(MUCH)]))
        await asyncio.sleep(SHORT_SECONDS)
        await cancel(sending)
        assert near.closed
        with pytest.raises((EOFError, OSError)):
            await far.receive()


@in_event_loop
async def test_a_receiver_that_is_cancelled_loses_nothing() -> None:
    async with open_pair() as (near, far):
        receiving = asyncio.create_task(far.receive())
        await asyncio.sleep(0)
        await cancel(receiving)
        await near.send([b"later"])
        assert await far.receive() == b"later"


@in_event_loop
async def test_who_sends_ahead_fills_one_buffer_and_no_more() -> None:
    async with open_pair() as (near, far):
        sending = asyncio.create_task(near.send([bytes(MUCH)]))
        await asyncio.wait([sending], timeout=SHORT_SECONDS)
        assert far.unread
        assert far.bytes_in <= READ_BYTES
        assert len(await far.receive()) == MUCH
        await sending


@in_event_loop
async def test_an_end_is_noticed_while_nobody_receives() -> None:
    async with open_pair() as (near, far):
        lost = asyncio.Event()
        far.on_lost = lost.set
        near.close()
        await lost.wait()
        assert far.closed
        with pytest.raises(EOFError):
            await far.receive()
        with pytest.raises(EOFError):
            await far.send([b"too late"])


@pytest.mark.parametrize("end", ["close", "abort"])
@in_event_loop
async def test_who_ends_a_connection_is_not_told_that_it_is_lost(end: str) -> None:
    async with open_pair() as (near, far):
        told: list[str] = []
        near.on_lost = lambda: told.append("near")
        lost = asyncio.Event()
        far.on_lost = lost.set
        getattr(near, end)()
        await lost.wait()
        assert not told
        assert near.closed


@in_event_loop
async def test_what_was_sent_before_a_close_arrives() -> None:
    async with open_pair() as (near, far):
        await near.send([bytes(LARGE_BYTES // 2)])
        near.close()
        assert len(await far.receive()) == LARGE_BYTES // 2
        with pytest.raises(EOFError):
            await far.receive()


@in_event_loop
async def test_a_close_waits_for_a_peer_that_does_not_read_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "LINGER_SECONDS", SHORT_SECONDS)
    async with open_pair() as (near, _):
        sending = asyncio.create_task(near.send([bytes(MUCH)]))
        await asyncio.sleep(SHORT_SECONDS)
        near.close()
        with pytest.raises(EOFError):
            await sending
        transport = near._transport
        await until(lambda: transport is None or not transport.get_write_buffer_size())


@in_event_loop
async def test_a_frame_over_the_cap_ends_the_connection() -> None:
    async with open_raw() as (stream, far):
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(far, write_header(MAX_HANDSHAKE_FRAME_BYTES + 1))
        for _ in range(2):
            with pytest.raises(FrameTooLargeError):
                await stream.receive()
        assert await loop.sock_recv(far, 1) == b""


@in_event_loop
async def test_an_end_in_the_middle_of_a_frame_is_an_end() -> None:
    async with open_raw() as (stream, far):
        far.send(write_header(5) + b"abc")
        far.close()
        with pytest.raises(EOFError):
            await stream.receive()


@in_event_loop
async def test_a_frame_comes_through_though_its_sender_has_gone() -> None:
    async with open_raw() as (stream, far):
        far.send(write_header(5) + b"whole")
        far.close()
        assert await stream.receive() == b"whole"
        with pytest.raises(EOFError):
            await stream.receive()


@in_event_loop
async def test_what_comes_while_a_stream_rests_ends_it() -> None:
    async with open_raw() as (stream, far):
        stream.is_resting = True
        far.send(b"a")
        assert await asyncio.get_running_loop().sock_recv(far, 1) == b""
        with pytest.raises(EOFError):
            await stream.receive()


@in_event_loop
async def test_a_receiver_gives_up_when_nothing_moves_and_not_before() -> None:
    async with open_raw() as (stream, far):
        stream.stall_seconds = STALL_SECONDS
        receiving = asyncio.create_task(stream.receive())
        loop = asyncio.get_running_loop()
        for byte in (write_header(STEPS) + bytes(STEPS))[:STEPS]:
            far.send(bytes([byte]))
            moved = loop.time()
            await asyncio.sleep(STEP_SECONDS)
        with pytest.raises(TimeoutError, match="timed out"):
            await receiving
        assert loop.time() - moved >= STALL_SECONDS - STEP_SECONDS
        assert stream.closed


@in_event_loop
async def test_a_sender_gives_up_when_nothing_moves_and_not_before() -> None:
    async with open_raw() as (stream, far):
        stream.stall_seconds = STALL_SECONDS
        sending = asyncio.create_task(stream.send([bytes(MUCH)]))
        loop = asyncio.get_running_loop()
        started = loop.time()
        for _ in range(STEPS):
            await asyncio.sleep(STEP_SECONDS)
            await loop.sock_recv(far, 1 << 20)
        assert not sending.done()
        with pytest.raises(TimeoutError, match="timed out"):
            await sending
        assert loop.time() - started >= STEPS * STEP_SECONDS


@in_event_loop
async def test_waits_that_follow_each_other_have_their_own_time() -> None:
    async with open_pair() as (near, far):
        near.stall_seconds = STALL_SECONDS
        for _ in range(STEPS):
            receiving = asyncio.create_task(near.receive())
            await asyncio.sleep(STEP_SECONDS)
            await far.send([b"x"])
            assert await receiving == b"x"
        near.stall_seconds = SHORT_SECONDS / 2
        with pytest.raises(TimeoutError):
            await near.receive()
