"""A long line to a coordinator: a TCP relay that delays, throttles, stalls and cuts.

    worker, client ─► Line ─► coordinator     each byte arrives half a round trip later
    worker, client ◄─ Line ◄─ coordinator

Each line lives in an event loop in a thread of its own. Like a router it has a short queue where it
is throttled, which all connections share; what has left may be under way in any amount.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Self

from headrace_wire.address import Address, parse_address
from support.loop_thread import LoopThread

#: Bytes that are read at a time; fewer where the line is slow, so that connections take turns.
CHUNK_BYTES = 256 << 10
SLOW_CHUNK_BYTES = 4 << 10

#: Seconds for which bytes wait at most before a slow line.
QUEUE_SECONDS = 0.05


class Line:
    """A line in use while its context is open. ``round_trip`` is in seconds; ``bytes_per_second``
    is what goes through in each direction, None for any amount. Its methods may be called from any
    thread.
    """

    def __init__(
        self,
        target: Address,
        round_trip: float,
        bytes_per_second: float | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._target = target
        self._delay = round_trip / 2
        self._rate = bytes_per_second
        self._host = host
        self._thread = LoopThread()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.address = Address(host, 0)
        #: Bytes that came through, in both directions.
        self.carried = 0

    def __enter__(self) -> Self:
        self._thread.__enter__()
        self._server = self._thread.answer(self._listen())
        return self

    def __exit__(self, *about: object) -> None:
        self._thread.answer(self._close())
        self._thread.__exit__(None, None, None)

    def stall(self) -> None:
        """Let nothing through, and close nothing."""
        self._thread.answer(self._set(flows=False))

    def heal(self) -> None:
        """Let everything through again, beginning with what was held back."""
        self._thread.answer(self._set(flows=True))

    def cut(self) -> None:
        """Reset all connections; new ones are welcome."""
        self._thread.answer(self._reset())

    async def _set(self, *, flows: bool) -> None:
        (self._flows.set if flows else self._flows.clear)()

    async def _reset(self) -> None:
        for pair in list(self._pairs):
            for half in pair:
                half.transport.abort()

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._begin, self._host, 0, limit=CHUNK_BYTES)
        self.address = Address(*server.sockets[0].getsockname()[:2])
        self._there, self._back = _Way(self._rate), _Way(self._rate)
        return server

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, near))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        pair = None
        try:
            await asyncio.sleep(2 * self._delay)  # the handshake of TCP
            await self._flows.wait()
            far_reader, far = await asyncio.open_connection(*self._target, limit=CHUNK_BYTES)
            pair = near, far
            self._pairs.add(pair)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry(reader, far, self._there))
                group.create_task(self._carry(far_reader, near, self._back))
        except* OSError:
            pass
        finally:
            for half in pair or (near,):
                half.transport.abort()
            self._pairs.discard(pair or (near, near))

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way
    ) -> None:
        under_way: deque[tuple[float, bytes]] = deque()
        news = asyncio.Event()

        async def arrive() -> None:
            while True:
                while not under_way:
                    news.clear()
                    await news.wait()
                due, chunk = under_way.popleft()
                await asyncio.sleep(due - loop.time())
                await self._flows.wait()
                if not chunk or writer.is_closing():
                    raise ConnectionResetError
                self.carried += len(chunk)
                writer.write(chunk)
                await writer.drain()

        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            group.create_task(arrive())
            while True:
                chunk = await reader.read(way.chunk_bytes)
                under_way.append((await way.enter(len(chunk)) + self._delay, chunk))
                news.set()
                if not chunk:
                    return


class _Way:
    """One direction of a line, which all connections share."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0
        self.chunk_bytes = SLOW_CHUNK_BYTES if rate else CHUNK_BYTES

    async def enter(self, size: int) -> float:
        """Return when bytes have left, as soon as the queue is short enough."""
        now = asyncio.get_running_loop().time()
        if not self._rate:
            return now
        self._free_at = max(self._free_at, now) + size / self._rate
        left = self._free_at
        await asyncio.sleep(max(0.0, left - now - QUEUE_SECONDS))
        return left


def main(target: str, round_trip: str) -> None:
    """Be a line in a process of its own until standard input ends: ``HOST:PORT SECONDS``."""
    with Line(parse_address(target), float(round_trip)) as line:
        sys.stdout.write(f"{line.address}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
