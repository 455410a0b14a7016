"""Browsers that have pages open, as far as a coordinator is concerned.

    main ─ "open JOB" ─► Browsers ─ Page of the overview ─► stream, jobs that ended
                                  └ Page of a job ────────► stream, task_runs, task_times, slowest

``python -m benchmarks.browsers HTTP TOKEN_FILE COUNT`` is a process with so many of them. It reads
commands, one a line, and answers each with a line of JSON: ``open JOB`` opens a page in each
browser, by turns the overview and that of a job, and ``stall JOB`` does the same with browsers that
never read what they are sent; ``close`` closes all. The pages ask for what those of
``headrace_coordinator/web/static`` ask for, as often, and throw away what comes: a browser has its
own machine, which shall not be measured here.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

#: Seconds between two looks at the tasks of a job, and at their times; and at jobs that ended.
MAP_SECONDS, DETAIL_SECONDS, ENDED_SECONDS = 2.0, 4.0, 2.0

#: Runs of tasks that a page asks for.
RUNS = 20_000

#: Where a job's status says how many tasks it has.
TASKS = re.compile(rb'"tasks":(\d+)')

#: Seconds for all to have their first answers.
OPENING_SECONDS = 20.0

#: Bytes that the kernel keeps for a browser that does not read.
STALLED_BYTES = 4096

#: What is asked for again and again: a path, its parameters, and seconds between.
Asked = tuple[str, dict[str, Any], float]


class Page:
    """One open page."""

    def __init__(self, host: str, port: int, token: str, *, reads: bool = True) -> None:
        self._where = host, port
        self._head = f"Host: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._reads = reads
        self.tasks = 0
        self.bytes_read = 0
        self.streams_opened = 0
        self.opened = asyncio.Event()

    async def show_overview(self) -> None:
        """Keep the overview up to date until cancelled."""
        topics = ["overview", "timeline", "jobs", "workers", "events"]
        active = {"states": ["running", "queued"], "limit": 20, "last": 200}
        ended = {"states": ["succeeded", "failed", "cancelled"], "limit": 10}
        await self._show({"topic": topics, **active}, [("jobs", ended, ENDED_SECONDS)])

    async def show_job(self, job: str) -> None:
        """Keep the page of a job up to date until cancelled."""
        asked: list[Asked] = [
            (f"jobs/{job}/task_runs", {"start": 0, "stop": "TASKS", "limit": RUNS}, MAP_SECONDS),
            (f"jobs/{job}/task_times", {}, DETAIL_SECONDS),
            (f"jobs/{job}/slowest", {"limit": 10}, DETAIL_SECONDS),
        ]
        await self._show({"topic": ["job", "logs"], "job": job, "cursor": 0}, asked)

    async def _show(self, streamed: dict[str, Any], asked: list[Asked]) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(streamed))
            if self._reads:
                for path, parameters, seconds in asked:
                    group.create_task(self._ask(path, parameters, seconds))

    async def _follow(self, parameters: dict[str, Any]) -> None:
        while True:
            reader, writer = await self._connect()
            try:
                writer.write(self._request("stream", parameters))
                self.streams_opened += 1
                if not self._reads:
                    self.opened.set()
                    await asyncio.Event().wait()
                while piece := await reader.read(1 << 20):
                    self.bytes_read += len(piece)
                    if told := TASKS.findall(piece):
                        self.tasks = int(told[-1])
                    self.opened.set()
            finally:
                writer.transport.abort()
            await asyncio.sleep(2.0)

    async def _ask(self, path: str, parameters: dict[str, Any], seconds: float) -> None:
        reader, writer = await self._connect()
        try:
            while True:
                await self.opened.wait()
                writer.write(self._request(path, parameters))
                head = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in head:
                    raise RuntimeError(f"{path}: {head.decode()}")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                self.bytes_read += len(head) + length
                await asyncio.sleep(seconds)
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reads:
            return await asyncio.open_connection(*self._where, limit=1 << 22)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_BYTES)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, self._where)
        return await asyncio.open_connection(sock=sock, limit=1)  # no more is read than that

    def _request(self, path: str, parameters: dict[str, Any]) -> bytes:
        query = urlencode(parameters, doseq=True).replace("TASKS", str(self.tasks))
        return f"GET /api/v1/{path}?{query} HTTP/1.1\r\n{self._head}".encode()


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
