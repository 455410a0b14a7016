"""HTTP: serves /metrics, /healthz and /readyz, and passes on every other path if the page is
served.

It has its own thread and event loop, so that HTTP does not delay the queue. Modules for the page
are imported when somebody requests it.

A request has a deadline as a whole, and if too many are connected, the oldest connection is closed.
Uvicorn has no deadline for a request's header, and refuses the newest. So the first request of a
connection is read here.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry

from headrace_coordinator.monitoring.http_request import (
    Answer,
    HeadReader,
    Request,
    read_request,
    refuse,
)
from headrace_coordinator.monitoring.request_rate import RequestRateLimit
from headrace_coordinator.monitoring.scrapes import Scrapes
from headrace_wire.acceptor import Acceptor, explain_shortage, listen
from headrace_wire.address import Address
from headrace_wire.admission import Admission, ServerLimits
from headrace_wire.refusal_log import DESCRIPTORS, HTTP, IDLE, TOKEN, Refusals
from headrace_wire.roles import Role
from headrace_wire.stream import drop
from headrace_wire.system.event_loop import make_event_loop

log = logging.getLogger(__name__)

#: How many seconds a request and its answer may take, from when the connection is made.
REQUEST_SECONDS = 10.0

#: How many seconds to wait for the peer to close the connection after its answer.
LINGER_SECONDS = 1.0

#: The maximum number of connections at a time.
MAX_CONNECTIONS = 32

#: The fraction of them that peers without a valid token may have, where the page is served.
STRANGERS_PART = 1 / 3

#: The maximum number of connections that are passed on per second, because serving one takes longer
#: than opening it.
NEW_GUESTS_PER_SECOND = 100

#: The maximum number of connections that are accepted per second. More would take processor time
#: from the queue, and each would soon be closed for the next one.
ACCEPTED_PER_SECOND = 300

#: How many connections may wait in the system to be accepted.
BACKLOG = 1024

#: The paths that are answered here.
PATHS = frozenset({"/metrics", "/healthz", "/readyz"})

_PAGES = b"there are /metrics, /healthz and /readyz\n"

_NO_TOKEN = Answer(
    HTTPStatus.UNAUTHORIZED,
    b"/metrics wants `Authorization: Bearer TOKEN`: the token is the text of observer.key, "
    b"which lies beside the coordinator's key\n",
    headers=(("WWW-Authenticate", "Bearer"),),
)


class Seat(Protocol):
    """The place of a connection among others."""

    @property
    def is_free(self) -> bool:
        """Whether the connection is closed, or is about to be."""
        ...

    def note_late(self) -> None:
        """Note that the connection is closed because a deadline has passed."""

    def note_wrong_token(self) -> None:
        """Note that the peer sent a token that is not valid."""

    def prove(self, role: Role) -> None:
        """Note that the peer has proven a key, so that the connection is only closed in favour of
        others that have, too. Raises BusyError.
        """


class Guest(Protocol):
    """A connection that is served elsewhere."""

    @property
    def closed(self) -> Awaitable[None]:
        """Done when the connection is closed."""
        ...

    def measure_idle(self) -> float:
        """Return for how many seconds no request has been in progress."""
        ...


class PageSite(Protocol):
    """Serves the paths that this server does not."""

    def take(self, transport: asyncio.Transport, head: bytes, seat: Seat) -> Guest:
        """Serve a connection from which ``head`` has been read."""
        ...

    async def stop(self) -> None:
        """End everything that is in progress."""


#: Answers the paths of this server, given the path and the headers Authorization and Accept; None
#: for other paths.
Plain = Callable[[str, str, str], Awaitable[Answer | None]]

#: Makes the site when it is first needed, in the thread of HTTP.
OpenSite = Callable[[Plain], PageSite]


class HttpServer:
    """Serves metrics and health of the coordinator, and passes on everything else.

    ``find_problem`` returns one line about what is wrong, and ``find_held`` one about why work
    waits for space, each "" for nothing. ``find_tokens`` returns the tokens of which one is
    required for the metrics where other machines can connect; None means that no token is required.
    It is called in the event loop in which the server is started. ``open_site`` makes the server of
    all other paths, and ``tls`` is the context for TLS. Raises UsageError if it cannot serve at the
    address.
    """

    def __init__(
        self,
        address: Address,
        registry: CollectorRegistry,
        find_problem: Callable[[], str],
        *,
        find_held: Callable[[], str] = str,
        find_tokens: Callable[[], Iterable[bytes]] | None = None,
        on_refused: Callable[[str], None] | None = None,
        open_site: OpenSite | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._find_problem = find_problem
        self._find_held = find_held
        self._scrapes = Scrapes(registry)
        listener = listen(address, BACKLOG, " HTTP")
        #: The served address, with the port that the system chose for port 0.
        self.bound = Address(*listener.getsockname()[:2])
        self._find_tokens = None if is_loopback(self.bound.host) else find_tokens
        self._open_site = open_site
        self._tls = tls
        self._site: PageSite | None = None
        self._hosts: dict[asyncio.Task[None], str] = {}
        strangers = int(max_connections * STRANGERS_PART) if open_site else max_connections
        limits = ServerLimits(
            max_pending=strangers, max_connections=max_connections - strangers, worker_reserve=0
        )
        self._guest_rate = RequestRateLimit(NEW_GUESTS_PER_SECOND)
        self._guests: dict[asyncio.Task[None], Guest] = {}
        self._admission = Admission[asyncio.Task[None]](limits, self._measure_idle)
        self._refusals = Refusals(on_refused)
        self._acceptor = Acceptor(
            listener, self._admission.accepts, self._take, self._shed, ACCEPTED_PER_SECOND
        )
        self._queue_loop: asyncio.AbstractEventLoop | None = None
        self._loop = make_event_loop()
        self._thread = threading.Thread(target=self._run, name="headrace-http", daemon=True)

    @property
    def wants_token(self) -> bool:
        """Whether a token is required for the metrics."""
        return self._find_tokens is not None

    def start(self) -> None:
        """Begin to serve, in a thread. The running event loop is that of the queue."""
        self._queue_loop = asyncio.get_running_loop()
        self._loop.call_soon(self._acceptor.start)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, if the server was never started."""
        if not self._thread.is_alive():
            self._acceptor.close()
            self._loop.close()

    async def stop(self) -> None:
        """Stop listening, and close all connections."""
        if self._thread.is_alive():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._stop(), self._loop))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    async def _stop(self) -> None:
        self._acceptor.close()
        await asyncio.sleep(0)  # lets tasks begin for the connections that were accepted last
        for task in self._hosts:
            task.cancel()
        if self._hosts:
            await asyncio.wait(list(self._hosts))
        if self._site:
            await self._site.stop()
        self._refusals.stop()

    def _take(self, sock: socket.socket, host: str) -> None:
        task = self._loop.create_task(self._serve(sock, host))
        self._hosts[task] = host
        task.add_done_callback(self._forget)
        if gone := self._admission.enter(task, host):
            self._put_off(gone, HTTP, "others came before it had its answer")

    def _shed(self, error: OSError) -> bool:
        gone = self._admission.shed()
        for task in gone:
            self._put_off(task, DESCRIPTORS, explain_shortage(error))
        return bool(gone)

    def prove(self, task: asyncio.Task[None], role: Role) -> None:
        """Note that the peer of a task's connection holds a key. Raises BusyError."""
        if self._admission.is_pending(task) and (gone := self._admission.prove(task, role)):
            self._put_off(gone, IDLE, "it was not in use, and others came")

    def _measure_idle(self, task: asyncio.Task[None]) -> float:
        guest = self._guests.get(task)
        return guest.measure_idle() if guest else 0.0

    def _put_off(self, task: asyncio.Task[None], reason: str, why: str) -> None:
        self._refuse(self._hosts[task], reason, why)
        task.cancel()

    def _refuse(self, host: str, reason: str, why: str) -> None:
        self._refusals.note(host, reason, f"refused an HTTP request from {host}: {why}")

    def refuse_token(self, host: str) -> None:
        """Count and log that a host sent an invalid token."""
        self._refuse(host, TOKEN, "the token that it brought is not taken")

    def refuse_late(self, host: str) -> None:
        """Count and log that a connection of a host is closed because a deadline has passed."""
        self._refuse(host, HTTP, f"it took longer than {REQUEST_SECONDS:.0f} seconds")

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._admission.leave(task)
        del self._hosts[task]
        self._guests.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            log.error("an HTTP request failed", exc_info=error)

    async def _serve(self, sock: socket.socket, host: str) -> None:
        """Serve a connection."""
        transport: asyncio.Transport | None = None
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                transport, reader = await self._open(sock)
                head = await reader.read()
                request = read_request(head) if head else None
                if request is None:
                    return
                is_own = isinstance(request, Answer) or request.path in PATHS
                if is_own or not self._open_site:
                    await self._serve_one(reader, request, host)
                    return
                await self._guest_rate.take()
            if self._site is None:
                self._site = self._open_site(self._answer_plainly)
            await self._host(self._site, transport, head, host)
        except TimeoutError:
            self.refuse_late(host)
        except OSError as error:
            log.debug("an HTTP connection ended: %s", error)
        finally:
            transport.abort() if transport else drop(sock)

    async def _host(
        self, site: PageSite, transport: asyncio.Transport, head: bytes, host: str
    ) -> None:
        """Pass a connection on until it is closed."""
        task = asyncio.current_task()
        assert task, "connections are served by tasks"
        guest = self._guests[task] = site.take(transport, head, _Seat(self, task, host))
        await guest.closed

    async def _open(self, sock: socket.socket) -> tuple[asyncio.Transport, HeadReader]:
        """Take over an accepted connection, with TLS if configured. Raises OSError."""
        reader = HeadReader()  # the protocol that uvloop and TLS return is another object
        await self._loop.connect_accepted_socket(lambda: reader, sock, ssl=self._tls)
        return reader.transport, reader

    async def _serve_one(self, reader: HeadReader, request: Request | Answer, host: str) -> None:
        """Answer the one request of a connection."""
        with_body = True
        if isinstance(request, Request) and request.method not in {"GET", "HEAD"}:
            answer = refuse(HTTPStatus.NOT_IMPLEMENTED)
        elif isinstance(request, Request):
            authorization = request.headers.get("Authorization", "")
            accepted = ",".join(request.headers.get_all("Accept", []))
            answer = await self._answer(request.path, authorization, accepted)
            with_body = request.method != "HEAD"
        else:
            answer = request
        if answer is _NO_TOKEN:
            self._refuse(host, TOKEN, "it brought no token for /metrics")
        await reader.finish(answer.encode(with_body=with_body), LINGER_SECONDS)

    async def _answer_plainly(self, path: str, authorization: str, accepted: str) -> Answer | None:
        return await self._answer(path, authorization, accepted) if path in PATHS else None

    async def _answer(self, path: str, authorization: str, accepted: str) -> Answer:
        match path:
            case "/metrics":
                if not await self._may_read(authorization):
                    return _NO_TOKEN
                return Answer(HTTPStatus.OK, *await self._scrapes.read(accepted))
            case "/healthz":
                return Answer(HTTPStatus.OK, b"ok\n")
            case "/readyz":
                problem = self._find_problem()
                held = "" if problem else self._find_held()
                line = problem or ("ok" + (f"; work waits: {held}" if held else ""))
                status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
                return Answer(status, f"{line}\n".encode())
            case _:
                return Answer(HTTPStatus.NOT_FOUND, _PAGES)

    async def _may_read(self, said: str) -> bool:
        if self._find_tokens is None:
            return True
        assert self._queue_loop, "only who was started serves"
        find_tokens = self._find_tokens

        async def find() -> Iterable[bytes]:
            return list(find_tokens())

        asked = asyncio.run_coroutine_threadsafe(find(), self._queue_loop)
        return brings_token(said, await asyncio.wrap_future(asked))


class _Seat(NamedTuple):
    server: HttpServer
    task: asyncio.Task[None]
    host: str

    @property
    def is_free(self) -> bool:
        return self.task.done() or self.task.cancelling() > 0

    def note_late(self) -> None:
        self.server.refuse_late(self.host)

    def note_wrong_token(self) -> None:
        self.server.refuse_token(self.host)

    def prove(self, role: Role) -> None:
        self.server.prove(self.task, role)


def brings_token(said: str, tokens: Iterable[bytes]) -> bool:
    """Return whether the value of an Authorization header contains one of these tokens."""
    scheme, _, token = said.partition(" ")
    given = token.strip().encode("latin-1", "replace")
    found = [hmac.compare_digest(known, given) for known in tokens]
    return scheme.lower() == "bearer" and any(found)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to an address."""
    return host == "::1" or host.startswith("127.")
