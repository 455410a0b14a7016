"""Browsers that have pages open, as far as a coordinator is concerned.

    main ─ "open JOB" ─► Browsers ─ Page of the overview ─► stream
                                  └ Page of a job ────────► stream

``python -m benchmarks.browsers HTTP TOKEN_FILE COUNT`` is a process with so many of them. It reads
commands, one a line, and answers each with a line of JSON: ``open JOB`` opens a page in each
browser, by turns the overview and that of a job, and ``stall JOB`` does the same with browsers that
never read what they are sent; ``close`` closes all. They ask for what the pages in
``headrace_coordinator/web/static`` ask for again and again, which is a stream each, and throw away
what comes: a browser has its own machine, which shall not be measured here.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

#: Seconds for all to have their first answers.
OPENING_SECONDS = 20.0

#: Bytes that the kernel keeps for a browser that does not read.
STALLED_BYTES = 4096


class Page:
    """One open page."""

    def __init__(self, host: str, port: int, token: str, *, reads: bool = True) -> None:
        self._where = host, port
        self._head = f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._reads = reads
        self.bytes_read = 0
        self.streams_opened = 0
        self.opened = asyncio.Event()

    async def show_overview(self) -> None:
        """Keep the overview up to date until cancelled."""
        topics = ["overview", "timeline", "jobs", "ended", "workers", "events"]
        active = {"states": ["running", "queued"], "limit": 20, "last": 200}
        await self._follow({"topic": topics, **active})

    async def show_job(self, job: str) -> None:
        """Keep the page of a job up to date until cancelled."""
        topics = ["job", "tasks", "times", "logs"]
        await self._follow({"topic": topics, "job": job, "cursor": 0})

    async def _follow(self, parameters: dict[str, Any]) -> None:
        while True:
            reader, writer = await self._connect()
            try:
                writer.write(self._request(parameters))
                self.streams_opened += 1
                if not self._reads:
                    self.opened.set()
                    await asyncio.Event().wait()
                while piece := await reader.read(1 << 20):
                    self.bytes_read += len(piece)
                    self.opened.set()
            finally:
                writer.transport.abort()
            await asyncio.sleep(2.0)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reads:
            return await asyncio.open_connection(*self._where, limit=1 << 22)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BYTES)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self._where)
        return await asyncio.open_connection(sock=sock, limit=1)  # no more is read than that

    def _request(self, parameters: dict[str, Any]) -> bytes:
        query = urlencode(parameters, doseq=True)
        return f"GET /api/v1/stream?{query} HTTP/1.1\r\n{self._head}".encode()


class Browsers:
    """So many browsers, each with one page at a time."""

    def __init__(self, host: str, port: int, token: str, count: int) -> None:
        self._where = host, port, token
        self._count = count
        self._pages: list[Page] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = 0.0

    async def open(self, job: str, *, reads: bool = True) -> dict[str, float]:
        """Open a page in each, and return when all have had something of their streams."""
        self._begun = time.process_time()
        self._pages = [Page(*self._where, reads=reads) for _ in range(self._count)]
        self._tasks = [
            asyncio.create_task(page.show_job(job) if number % 2 else page.show_overview())
            for number, page in enumerate(self._pages)
        ]
        async with asyncio.timeout(OPENING_SECONDS):
            for page in self._pages:
                await page.opened.wait()
        return {"pages": len(self._pages)}

    async def close(self) -> dict[str, float]:
        """Close them all, and tell what they had. Raises what went wrong with any of them."""
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in ends:
            if end is not None and not isinstance(end, asyncio.CancelledError):
                raise end
        return {
            "bytes": sum(page.bytes_read for page in self._pages),
            "streams": sum(page.streams_opened for page in self._pages),
            "cpu_seconds": time.process_time() - self._begun,
        }


async def serve(browsers: Browsers) -> None:
    """Do what standard input says."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        match line.split():
            case ["open", job]:
                told = await browsers.open(job)
            case ["stall", job]:
                told = await browsers.open(job, reads=False)
            case _:
                told = await browsers.close()
        print(json.dumps(told), flush=True)


def main() -> None:
    address, token_file, count = sys.argv[1:]
    host, _, port = address.rpartition(":")
    token = Path(token_file).read_text().strip()
    asyncio.run(serve(Browsers(host, int(port), token, int(count))))


if __name__ == "__main__":
    main()
