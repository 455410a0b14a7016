"""Connections of the page: uvicorn's protocol, with additional deadlines.

    HttpServer reads the first request's head ─► Site.take: a protocol takes the transport over

A request has a deadline, and so has an answer that the peer does not read; unused connections are
closed. A route that waits, such as a stream, may take long.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import cast
from urllib.parse import unquote

import h11
from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from headrace_coordinator.monitoring.http import Plain, Seat
from headrace_coordinator.monitoring.http_request import MAX_HEAD_BYTES, is_bounded
from headrace_coordinator.web.names import SLASH
from headrace_coordinator.web.problems import answer_problem, describe_status

#: uvicorn's log. It reports too much about invalid requests, which anybody may send.
log = logging.getLogger(__name__)
log.setLevel(logging.ERROR)

#: How many seconds a request may take, including its body, and how long an answer may be blocked
#: because the peer does not read.
REQUEST_SECONDS = 10.0

#: How many seconds a connection stays open while it is not used.
IDLE_SECONDS = 30

_TWO_LENGTHS = "a request has either Content-Length or Transfer-Encoding"


class Site:
    """An application, and what its connections share."""

    def __init__(self, app: Starlette, answer_plainly: Plain) -> None:
        self._app = app
        self._answer_plainly = answer_plainly
        self._config = Config(
            self._serve,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            workers=1,  # whatever the environment says for other servers
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        self._config.load()
        self._state = ServerState()

    def take(self, transport: asyncio.Transport, head: bytes, seat: Seat) -> WebProtocol:
        """Serve a connection from which ``head`` has been read."""
        protocol = WebProtocol(self._config, self._state, seat)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        protocol.data_received(head)
        return protocol

    async def stop(self) -> None:
        """End everything that is in progress."""
        await self._app.state.hub.stop()
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._app.state.presenter.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        keep_slashes(scope)
        request = WebRequest(scope)
        if "Content-Length" in request.headers and "Transfer-Encoding" in request.headers:
            # An intermediary may see another end of the request (RFC 9112, 6.3).
            refusal = answer_problem(describe_status(HTTPStatus.BAD_REQUEST, _TWO_LENGTHS))
            refusal.headers["Connection"] = "close"
            await refusal(scope, receive, send)
            return
        answer = await self._answer_plainly(
            request.url.path,
            request.headers.get("Authorization", ""),
            ",".join(request.headers.getlist("Accept")),
        )
        if answer is None:
            await self._app(scope, receive, send)
        else:
            headers = dict(answer.headers)
            response = Response(answer.body, answer.status, headers, answer.content_type)
            await response(scope, receive, send)


def keep_slashes(scope: Scope) -> None:
    """Keep a name in a path as one part, whatever it contains: jobs may be named ``a/b``."""
    raw: bytes = scope["raw_path"]
    if b"%2f" in raw.lower():
        parts = [unquote(one) for one in raw.decode("ascii").split("/")]
        scope["path"] = "/".join(one.replace("/", SLASH) for one in parts)


class WebProtocol(H11Protocol):
    """Serves one connection."""

    def __init__(self, config: Config, state: ServerState, seat: Seat) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(config, state, {"seat": seat}, loop)
        self.logger = log
        self.closed: asyncio.Future[None] = loop.create_future()
        self._seat = seat
        self._idle_since = loop.time()
        self._coming: asyncio.TimerHandle | None = None
        self._going: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        for timer in (self._coming, self._going):
            if timer:
                timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        super().data_received(data)
        self._watch_request()

    def handle_events(self) -> None:
        """Process what was received, unless a head is too long: h11 only limits incomplete ones."""
        if self.conn.their_state is h11.IDLE:
            came, _ = self.conn.trailing_data
            if len(came) > MAX_HEAD_BYTES and not is_bounded(came):
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self._refuse(status, status.phrase)
                return
        super().handle_events()

    def on_response_complete(self) -> None:
        """Continue with the next request."""
        self._idle_since = self.loop.time()
        super().on_response_complete()
        if self.transport.is_closing():  # it would wait forever until all is sent if nobody reads
            self._coming = self._coming or self.loop.call_later(REQUEST_SECONDS, self._end)
        else:
            self._watch_request()

    def measure_idle(self) -> float:
        """Return for how many seconds no request has been in progress."""
        # It is None before the first request.
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_idle = cycle is None or cycle.response_complete
        return self.loop.time() - self._idle_since if is_idle else 0.0

    def pause_writing(self) -> None:
        """Set a time limit for the peer to read."""
        super().pause_writing()
        self._going = self._going or self.loop.call_later(REQUEST_SECONDS, self._end)

    def resume_writing(self) -> None:
        """Cancel the time limit, because the peer reads."""
        super().resume_writing()
        if self._going:
            self._going.cancel()
            self._going = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an unused connection, whether the last answer was read or not."""
        super().timeout_keep_alive_handler()
        self.loop.call_later(1.0, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer an invalid request."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            answer = answer_problem(describe_status(status, detail))
            headers = [*answer.raw_headers, (b"connection", b"close")]
            reason = status.phrase.encode()
            for event in (
                h11.Response(status_code=answer.status_code, headers=headers, reason=reason),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch_request(self) -> None:
        """Set a time limit for the request that is being received."""
        theirs = self.conn.their_state
        is_coming = theirs is h11.SEND_BODY or (
            theirs is h11.IDLE and bool(self.conn.trailing_data[0])
        )
        if not is_coming and self._coming:
            self._coming.cancel()
            self._coming = None
        elif is_coming and not self._coming:
            self._coming = self.loop.call_later(REQUEST_SECONDS, self._end)

    def _end(self) -> None:
        self._seat.note_late()
        self.transport.abort()
