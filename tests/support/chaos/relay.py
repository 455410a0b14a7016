"""A TCP relay in front of the coordinator, a link of it for each worker and client.

    worker, client ─► Link ─► coordinator     requests, frame by frame
    worker, client ◄─ Link ◄─ coordinator     answers, as they come

All links live in one event loop in a thread of ``Relays``, which the run starts and stops. A link
can hold everything back without closing anything (``blackhole``, ``heal``), reset its connections
(``reset``), and lose replies: the request goes through and is answered, the answer is swallowed,
and a moment later the connection is reset (``lose_reply``).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from headrace_wire.api import APIS
from headrace_wire.encoding import pack

T = TypeVar("T")

#: Seconds between a swallowed answer and the reset.
MOMENT_SECONDS = 0.05

#: Bytes of an answer read at a time.
CHUNK_BYTES = 1 << 16

#: Seconds for the loop to do what it is told.
LOOP_SECONDS = 10.0


class Pair:
    """One connection through a link: its two halves."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self._halves = (near, far)
        self.swallowing = ""

    def reset(self) -> None:
        """Close both halves at once; both sides see a reset."""
        for half in self._halves:
            sock: socket.socket | None = half.get_extra_info("socket")
            with contextlib.suppress(OSError):
                if sock is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            half.transport.abort()


class Link:
    """One way to the coordinator. Its methods may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: tuple[str, int]) -> None:
        self._loop = loop
        self._target = target
        self._pairs: set[Pair] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._to_lose: Counter[str] = Counter()
        #: Replies that were lost, by method.
        self.lost: Counter[str] = Counter()
        self.address = ("", 0)

    def blackhole(self) -> None:
        """Hold back everything, both ways, and close nothing."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """Let everything through again, beginning with what was held back."""
        self._loop.call_soon_threadsafe(self._open.set)

    def reset(self) -> None:
        """Reset all connections; new ones are welcome."""

        def reset_all() -> None:
            for pair in list(self._pairs):
                pair.reset()

        self._loop.call_soon_threadsafe(reset_all)

    def lose_reply(self, method: str) -> None:
        """Lose the answer to the next call of this method."""
        self._loop.call_soon_threadsafe(self._to_lose.update, [method])

    async def listen(self, host: str) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, host, 0)
        name = server.sockets[0].getsockname()
        self.address = (name[0], name[1])
        return server

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            await self._open.wait()
            far_reader, far = await asyncio.open_connection(*self._target)
        except OSError:  # no coordinator just now
            near.transport.abort()
            return
        except asyncio.CancelledError:
            near.transport.abort()
            raise
        pair = Pair(near, far)
        self._pairs.add(pair)
        ways = [
            asyncio.ensure_future(self._carry_requests(pair, reader, far)),
            asyncio.ensure_future(self._carry_answers(pair, far_reader, near)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._pairs.discard(pair)
            for half in (near, far):
                half.close()

    async def _carry_requests(
        self, pair: Pair, reader: asyncio.StreamReader, far: asyncio.StreamWriter
    ) -> None:
        while True:
            header = await reader.readexactly(4)
            (length,) = struct.unpack("!i", header)
            if length == -1:
                more = await reader.readexactly(8)
                header += more
                (length,) = struct.unpack("!Q", more)
            body = await reader.readexactly(length)
            await self._open.wait()
            pair.swallowing = self._find_loss(body)
            far.write(header + body)
            await far.drain()

    async def _carry_answers(
        self, pair: Pair, reader: asyncio.StreamReader, near: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if pair.swallowing:
                self.lost[pair.swallowing] += 1
                pair.swallowing = ""
                await asyncio.sleep(MOMENT_SECONDS)
                pair.reset()
                return
            await self._open.wait()
            near.write(chunk)
            await near.drain()
        if pair.swallowing:  # the coordinator went away first: another answer is lost instead
            self._to_lose[pair.swallowing] += 1

    def _find_loss(self, body: bytes) -> str:
        """Which method this request calls if its answer is to be lost, else ""."""
        for method, count in self._to_lose.items():
            if count and body.startswith(PREFIXES[method]):
                self._to_lose[method] -= 1
                return method
        return ""


#: How the frame of a call begins, by method: an array of four, the object's name, the method's.
PREFIXES = {
    method: b"\x94" + pack(name) + pack(method)
    for name, api in APIS.items()
    for method in vars(api)
    if not method.startswith("_")
}


class Relays:
    """All links of a run, in one thread. Stopped at the end of the ``with`` block."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LOOP_SECONDS)
        self._loop.close()

    def open(self, host: str = "127.0.0.1") -> Link:
        """Open another link, at a port of its own."""

        async def start() -> Link:
            link = Link(self._loop, self._target)
            self._servers.append(await link.listen(host))
            return link

        return self._do(start)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _do(self, work: Callable[[], Coroutine[Any, Any, T]] | Coroutine[Any, Any, T]) -> T:
        task = work() if callable(work) else work
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(LOOP_SECONDS)
