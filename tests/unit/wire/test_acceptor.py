"""Connections are accepted at a pace, and what waits is accepted later."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

from headrace_wire.acceptor import BURST_SECONDS, Acceptor, listen
from headrace_wire.address import Address

#: Connections that come at once, and those that are accepted in a second.
CROWD, PER_SECOND = 60, 200


def test_a_crowd_is_accepted_whole_and_never_faster_than_told() -> None:
    moments: list[float] = []

    async def accept() -> None:
        everybody = asyncio.Event()

        def take(sock: socket.socket, _: str) -> None:
            held.enter_context(sock)
            moments.append(time.monotonic())
            if len(moments) == CROWD:
                everybody.set()

        listener = listen(Address("127.0.0.1", 0), CROWD, "")
        place = listener.getsockname()
        for _ in range(CROWD):
            held.enter_context(socket.create_connection(place))
        acceptor = Acceptor(listener, CROWD, take, lambda _: False, PER_SECOND)
        acceptor.start()
        await everybody.wait()
        acceptor.close()

    with contextlib.ExitStack() as held:
        asyncio.run(accept())
    burst = PER_SECOND * BURST_SECONDS + 1
    for number, moment in enumerate(moments):
        assert number <= burst + (moment - moments[0]) * PER_SECOND
