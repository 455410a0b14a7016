"""HTTP for monitoring: /metrics, /healthz and /readyz, and nothing that changes anything.

It is served in the event loop of the queue, and takes nothing from it: a request has a deadline in
all, and when many are connected the oldest goes. Well-kept servers were looked at. uvicorn has no
deadline for a request's header, and turns the newest away; and nothing here needs more of HTTP than
one request and one answer for each connection.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus

from prometheus_client import CollectorRegistry

from headrace_coordinator.monitoring.http_request import (
    Answer,
    Request,
    is_whole,
    read_request,
)
from headrace_coordinator.monitoring.scrapes import Scrapes
from headrace_wire.acceptor import Acceptor, explain_shortage, listen
from headrace_wire.address import Address
from headrace_wire.admission import Admission, ServerLimits
from headrace_wire.refusal_log import DESCRIPTORS, HTTP, TOKEN, Refusals

log = logging.getLogger(__name__)

#: Seconds for a request and its answer, from when the connection is made.
REQUEST_SECONDS = 10.0

#: Seconds for the other side to close the connection once it has its answer.
LINGER_SECONDS = 1.0

#: Connections at a time.
MAX_CONNECTIONS = 32

#: Connections that the system holds ready.
BACKLOG = 64

_READ_BYTES = 8 << 10

_PAGES = b"there are /metrics, /healthz and /readyz\n"

_NO_TOKEN = Answer(
    HTTPStatus.UNAUTHORIZED,
    b"/metrics wants `Authorization: Bearer TOKEN`: the token is the text of observer.key, "
    b"which lies beside the coordinator's key\n",
    headers=(("WWW-Authenticate", "Bearer"),),
)


class HttpServer:
    """Serves a registry, and tells whether the coordinator is well.

    ``find_problem`` returns one line about what is wrong, and ``find_held`` one about why work
    waits for room, each "" for nothing. ``find_tokens`` returns those of which one is wanted for
    the metrics where other machines can connect; None: nothing is wanted. Raises UsageError when it
    cannot serve at the address.
    """

    def __init__(
        self,
        address: Address,
        registry: CollectorRegistry,
        find_problem: Callable[[], str],
        find_held: Callable[[], str] = str,
        find_tokens: Callable[[], Iterable[bytes]] | None = None,
        on_refused: Callable[[str], None] | None = None,
    ) -> None:
        self._find_problem = find_problem
        self._find_held = find_held
        self._scrapes = Scrapes(registry)
        listener = listen(address, BACKLOG, " HTTP")
        #: The address that is served, with the port that the system chose for port 0.
        self.bound = Address(*listener.getsockname()[:2])
        self._find_tokens = None if is_loopback(self.bound.host) else find_tokens
        self._hosts: dict[asyncio.Task[None], str] = {}
        limits = ServerLimits(max_pending=MAX_CONNECTIONS)
        self._admission = Admission[asyncio.Task[None]](limits, lambda _: 0.0)
        self._refusals = Refusals(on_refused)
        self._acceptor = Acceptor(listener, self._admission.accepts, self._take, self._shed)

    @property
    def wants_token(self) -> bool:
        """Whether the metrics are for those alone who bring a token."""
        return self._find_tokens is not None

    def start(self) -> None:
        """Begin to serve, in the running event loop."""
        self._acceptor.start()

    def close(self) -> None:
        """Stop listening."""
        self._acceptor.close()

    async def stop(self) -> None:
        """Close all connections."""
        self.close()
        await asyncio.sleep(0)  # what was accepted last has its task begun
        for task in self._hosts:
            task.cancel()
        if self._hosts:
            await asyncio.wait(list(self._hosts))
        self._refusals.stop()

    def _take(self, sock: socket.socket, host: str) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(sock, host))
        self._hosts[task] = host
        task.add_done_callback(self._forget)
        if gone := self._admission.enter(task, host):
            self._put_off(gone, HTTP, "others came before it had its answer")

    def _shed(self, error: OSError) -> bool:
        gone = self._admission.shed()
        for task in gone:
            self._put_off(task, DESCRIPTORS, explain_shortage(error))
        return bool(gone)

    def _put_off(self, task: asyncio.Task[None], reason: str, why: str) -> None:
        self._refuse(self._hosts[task], reason, why)
        task.cancel()

    def _refuse(self, host: str, reason: str, why: str) -> None:
        self._refusals.note(host, reason, f"refused an HTTP request from {host}: {why}")

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._admission.leave(task)
        del self._hosts[task]
        if not task.cancelled() and (error := task.exception()):
            log.error("an HTTP request failed", exc_info=error)

    async def _serve(self, sock: socket.socket, host: str) -> None:
        """Serve one request."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = bytearray()
                while not is_whole(head):
                    piece = await loop.sock_recv(sock, _READ_BYTES)
                    if not piece:
                        return
                    head += piece
                request = read_request(bytes(head))
                if isinstance(request, Answer):
                    answer, with_body = request, True
                else:
                    answer, with_body = await self._answer(request), request.method != "HEAD"
                if answer is _NO_TOKEN:
                    self._refuse(host, TOKEN, "it brought no token for /metrics")
                await loop.sock_sendall(sock, answer.encode(with_body=with_body))
                await _linger(sock)
        except TimeoutError:
            self._refuse(host, HTTP, f"it took longer than {REQUEST_SECONDS:.0f} seconds")
        except OSError as error:
            log.debug("an HTTP connection ended: %s", error)
        finally:
            sock.close()

    async def _answer(self, request: Request) -> Answer:
        match request.path:
            case "/metrics":
                if not self._may_read(request.headers.get("Authorization", "")):
                    return _NO_TOKEN
                accepted = ",".join(request.headers.get_all("Accept", []))
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

    def _may_read(self, said: str) -> bool:
        if self._find_tokens is None:
            return True
        scheme, _, token = said.partition(" ")
        given = token.strip().encode("latin-1", "replace")
        found = [hmac.compare_digest(known, given) for known in self._find_tokens()]
        return scheme.lower() == "bearer" and any(found)


async def _linger(sock: socket.socket) -> None:
    """Wait a moment for the other side to close: what it still sends would make the system throw
    away the answer.
    """
    sock.shutdown(socket.SHUT_WR)
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while await asyncio.get_running_loop().sock_recv(sock, _READ_BYTES):
                pass
    except TimeoutError:
        log.debug("an HTTP peer did not close its connection")


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    return host == "::1" or host.startswith("127.")
