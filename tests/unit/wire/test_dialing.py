"""How clients of an event loop connect."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from headrace_wire import dialing
from headrace_wire.address import Address
from headrace_wire.dialing import open_stream
from headrace_wire.encryption import Encryption
from headrace_wire.stream import FrameStream
from support.event_loops import in_event_loop


@in_event_loop
async def test_a_cancelled_connecting_ends_though_the_event_loop_has_closed_its_socket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def take(sock: socket.socket, encrypting: object) -> FrameStream:
        os.close(sock.fileno())
        raise asyncio.CancelledError

    monkeypatch.setattr(dialing, "_take_over", take)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = Address(*listener.getsockname())
        with pytest.raises(asyncio.CancelledError):
            await open_stream(address, encryption=Encryption("off"))
