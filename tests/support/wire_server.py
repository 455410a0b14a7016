"""A server of the wire on a port of its own, with doubles behind it, and ways to reach it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi, ResultQueueApi, SharedApi
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobStatus
from support.loop_thread import LoopThread
from support.wire_messages import ApiDouble, make_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace_wire.admission import ServerLimits
    from headrace_wire.server import Server
    from headrace_wire.tls import ServerTls

#: What both sides hold in these tests.
KEY = hashlib.sha256(b"a key of these tests").hexdigest().encode()

#: How long a client of these tests goes on trying, in seconds.
PATIENCE_SECONDS = 20.0

#: Where a server of these tests listens when it may choose its port.
ANYWHERE = Address("127.0.0.1", 0)


class Gate:
    """Where answers wait until it is opened. ``reached`` is set by the first one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[asyncio.Future[None]] = []
        self.reached = threading.Event()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def wait(self) -> None:
        opened = self._loop.create_future()
        self._waiting.append(opened)
        self.reached.set()
        try:
            await opened
        finally:
            self._waiting.remove(opened)

    def open(self) -> None:
        """Let those go on who wait now."""
        self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        for opened in self._waiting:
            if not opened.done():
                opened.set_result(None)


@dataclass
class Served:
    """A running server and what is behind it."""

    loop: asyncio.AbstractEventLoop
    server: Server
    jobs: ApiDouble
    results: ApiDouble
    shared: ApiDouble
    address: Address = field(init=False)

    def __post_init__(self) -> None:
        self.address = self.server.bound

    def count_sessions(self) -> int:
        """How many connections are past their handshake."""
        return sum(session is not None for session in list(self.server._connections.values()))

    def count_connections(self) -> int:
        """How many connections there are."""
        return len(self.server._connections)

    def dial_jobs(self, key: bytes = KEY, patience_seconds: float = 0.0) -> JobQueueApi:
        return QueueManager(self.address, key, patience_seconds=patience_seconds).jobs()

    def dial_shared(self) -> SharedApi:
        return QueueManager(self.address, KEY).shared()

    def dial_results(self) -> ResultQueueApi:
        return QueueManager(self.address, KEY).results()


@contextlib.contextmanager
def serve(
    limits: ServerLimits | None = None,
    address: Address = ANYWHERE,
    on_bytes: Callable[[int, int], None] | None = None,
    jobs: ApiDouble | None = None,
    on_refused: Callable[[str], None] | None = None,
    tls: ServerTls | None = None,
    key: bytes = KEY,
) -> Iterator[Served]:
    """Serve doubles of both queues."""
    jobs = jobs or ApiDouble(JobQueueApi)
    results = ApiDouble(ResultQueueApi)
    shared = ApiDouble(SharedApi)
    server = QueueManager(address, key).get_server(
        jobs, results, shared, limits, on_bytes, on_refused=on_refused
    )
    if tls:
        server.encrypt(tls)
    with LoopThread() as thread:
        thread.run(server.start)
        try:
            yield Served(thread.loop, server, jobs, results, shared)
        finally:
            thread.answer(server.stop())


def make_tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection; socketpair() would make UNIX sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


def ignore_arguments(answer: Callable[[], Any]) -> Callable[..., Any]:
    """An answer of a double that doesn't depend on what was asked."""
    return lambda *_: answer()


def answer_by_name(served: Served) -> None:
    """Let ``status`` say which job was asked about, so that no answer looks like another."""
    served.jobs.answers["status"] = lambda job: make_message(JobStatus, id=job)


def answer_at_gate(served: Served, most: int = 1) -> Gate:
    """Let ``status`` wait at a gate, which the ``most``-th that comes opens if it is above 1."""
    gate = Gate(served.loop)

    async def answer(job: str) -> JobStatus:
        if gate.waiting + 1 == most > 1:
            gate.open()
        await gate.wait()
        return make_message(JobStatus, id=job)

    served.jobs.answers["status"] = answer
    return gate
