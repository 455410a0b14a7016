"""Calls from an event loop to a coordinator that restarts, is gone, refuses, or is none."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from typing import Any

import pytest

from headrace_wire.address import Address
from headrace_wire.errors import KeyRefusedError, ProtocolError, UnreachableError
from headrace_wire.manager import QueueManager
from headrace_wire.version import PROTOCOL, VERSION
from support.async_calls import ask, begin, open_caller, reach
from support.event_loops import in_event_loop, until
from support.wire_server import KEY, PATIENCE_SECONDS, Served, answer_at_gate, answer_by_name, serve

#: Seconds in which a handshake has to be finished in these tests.
SHORT_SECONDS = 0.3


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
    answer_by_name(served)
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
