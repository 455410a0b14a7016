"""Authenticates each request by its cookie or token, and adds security headers to every answer.

    request ─► cookie, or `Authorization: Bearer TOKEN` ─► Visitor ─► route
               └─ neither: 401, or the login page

A change that is authenticated by a cookie also requires a token against request forgery (CSRF),
because browsers also send cookies with requests from pages of others.
"""

from __future__ import annotations

import hmac
import logging
import re
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace_coordinator.monitoring.http import Seat
from headrace_coordinator.monitoring.request_rate import RequestRateLimit
from headrace_coordinator.web.errors import answer_error
from headrace_coordinator.web.gate import Gate, Visitor
from headrace_coordinator.web.problems import answer_problem, describe_status
from headrace_coordinator.web.rendering import render
from headrace_coordinator.web.sessions import SESSION_SECONDS, Session, Sessions
from headrace_wire.errors import BusyError

log = logging.getLogger(__name__)

#: What a browser may load and run on a page: only what the coordinator serves, and nothing that is
#: written into the page itself.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

#: How many requests per second peers without a valid token may make.
STRANGERS_PER_SECOND = 100

#: HTTP methods that change nothing.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

API = "/api/"


class Authentication:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, gate: Gate, sessions: Sessions) -> None:
        self._app = app
        self._gate = gate
        self._sessions = sessions
        self._stranger_rate = RequestRateLimit(STRANGERS_PER_SECOND)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        has_begun = False
        renewed: Session | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if renewed and "set-cookie" not in headers:
                    headers.append("Set-Cookie", write_cookie(request, renewed.text))
            await send(message)

        try:
            refusal, renewed = await self._admit(request)
            await (refusal or self._app)(scope, receive, send_with_headers)
        except ClientDisconnect:  # nobody reads it, but an answer is required
            await Response(status_code=HTTPStatus.REQUEST_TIMEOUT)(scope, receive, send)
        except Exception as error:
            if has_begun:
                raise
            await answer_error(request, error)(scope, receive, send_with_headers)

    async def _take_turn(self, seat: Seat) -> None:
        """Let a peer without a token wait. Raises ClientDisconnect if it disconnects meanwhile."""
        if not await self._stranger_rate.take(lambda: seat.is_free):
            raise ClientDisconnect

    async def _admit(self, request: Request) -> tuple[Response | None, Session | None]:
        """Authenticate a request. Returns the answer if it is refused, and a session that is to be
        renewed.
        """
        state = request.state
        state.sessions, state.gate, state.session = self._sessions, self._gate, None
        state.is_seated = False
        if token := read_bearer(request):
            holder = await self._gate.find_by_key(token)
            if holder is None:
                state.seat.note_wrong_token()
                await self._take_turn(state.seat)
                return _refuse(request, "this token is not, or no longer, taken"), None
            _welcome(request, Visitor(self._gate, holder, name_peer(request)))
            return None, None
        session = self._sessions.find(request.cookies.get(name_cookie(request), ""))
        if session:
            holder = await self._gate.find_by_mark(session.mark, session.role)
            if holder:
                csrf = self._sessions.make_csrf(session)
                state.session = session
                _welcome(request, Visitor(self._gate, holder, name_peer(request), csrf))
                if not session.wants_renewal or request.url.path.startswith(API):
                    return None, None
                return None, self._sessions.make(session.mark, session.role)
        await self._take_turn(state.seat)
        if is_open(request):
            return None, None
        return _refuse(request, "log in, or bring `Authorization: Bearer TOKEN`"), None


def _welcome(request: Request, visitor: Visitor) -> None:
    """Set who made a request, so that its connection gets a better place from now on."""
    state = request.state
    state.visitor = visitor
    try:
        state.seat.prove(visitor.role)
        state.is_seated = True
    except BusyError:
        log.debug("%s keeps the place of a stranger", visitor.peer)


def is_open(request: Request) -> bool:
    """Return whether a path needs no authentication, or performs it."""
    path = request.url.path
    return path == "/login" or path.startswith("/static/") or is_link(request)


def is_link(request: Request) -> bool:
    """Return whether this is a link to a page, with the token that opens it."""
    is_page = request.method == "GET" and not request.url.path.startswith(API)
    return is_page and "token" in request.query_params


def check_forgery(request: Request, given: str) -> Response | None:
    """Return the answer to a change that may be forged, None for one of the visitor's own.

    ``given`` is the token that came with it.
    """
    visitor: Visitor = request.state.visitor
    if not request.state.session:
        return None  # no browser sends a bearer token by itself
    if hmac.compare_digest(visitor.csrf, given) and is_own(request):
        return None
    detail = "this does not come from the page of this coordinator: load the page anew, and repeat"
    return answer_problem(describe_status(HTTPStatus.FORBIDDEN, detail))


def is_own(request: Request) -> bool:
    """Return whether a request comes from a page of this coordinator, as far as the browser
    says.
    """
    if (site := request.headers.get("Sec-Fetch-Site")) is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host")


def needs_forwarding(request: Request) -> bool:
    """Return whether a browser follows a link on another site's page, and therefore has not sent a
    cookie that it may have. It does so when a page of this site redirects it.
    """
    headers = request.headers
    is_page = request.method == "GET" and not request.url.path.startswith(API)
    return (
        is_page
        and headers.get("Sec-Fetch-Site") == "cross-site"
        and headers.get("Sec-Fetch-Mode") == "navigate"
    )


def _read_query(request: Request) -> str:
    return f"?{request.url.query}" if request.url.query else ""


def read_bearer(request: Request) -> str:
    """Return the token in a request's header, "" if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def find_next(path: str) -> str:
    """Return where to go after the login: a page of this coordinator."""
    is_here = path.startswith("/") and not path.startswith(("//", "/\\", "/login"))
    return path if is_here and path.isprintable() else "/"


def name_cookie(request: Request) -> str:
    """Return the name of the cookie. It has the port, because browsers share cookies between
    ports.
    """
    port = re.sub(r"\D", "", request.headers.get("Host", "").rpartition(":")[2])
    start = "__Host-headrace" if request.url.scheme == "https" else "headrace"
    return f"{start}-{port or 'web'}"


def write_cookie(request: Request, text: str) -> str:
    """Return the header that makes a browser keep a session, or forget it if the text is ""."""
    parts = [
        f"{name_cookie(request)}={text}",
        "Path=/",
        f"Max-Age={int(SESSION_SECONDS) if text else 0}",
        "HttpOnly",
        "SameSite=Strict",
    ]
    if request.url.scheme == "https":
        parts.append("Secure")
    return "; ".join(parts)


def name_peer(request: Request) -> str:
    """Return where a request comes from, for logs."""
    client = request.client
    return f"{client.host}:{client.port}" if client else "somebody"


def _refuse(request: Request, detail: str) -> Response:
    path = request.url.path
    if needs_forwarding(request):
        following = find_next(path + _read_query(request))
        return render(request, "forward.html", following=following)
    if path.startswith(API) or request.method not in SAFE:
        problem = describe_status(HTTPStatus.UNAUTHORIZED, detail)
        return answer_problem(problem, {"WWW-Authenticate": "Bearer"})
    path += _read_query(request)
    return RedirectResponse(f"/login?next={quote(path, safe='/')}", HTTPStatus.SEE_OTHER)
