"""The web application: pages, login, static files and the JSON API, for authenticated requests.

    Authentication ─► /            pages
                      /login …     a token becomes a session
                      /static/…    files that pages refer to
                      /api/v1/…    the methods of the API as JSON

Metrics and health are answered in ``monitoring.http``, before a request comes here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace_coordinator.monitoring.page_metrics import PageMetrics
from headrace_coordinator.web import json_api, openapi, results, stream
from headrace_coordinator.web.authentication import Authentication, is_link
from headrace_coordinator.web.errors import answer_error
from headrace_coordinator.web.gate import Gate
from headrace_coordinator.web.login import log_in, log_in_by_link, log_out, show_login
from headrace_coordinator.web.measured import Measured
from headrace_coordinator.web.pages import PAGES
from headrace_coordinator.web.presenter import Presenter, choose_closed
from headrace_coordinator.web.sessions import Sessions
from headrace_coordinator.web.static_files import serve_file
from headrace_wire.errors import HeadraceError


def make_app(gate: Gate, metrics: PageMetrics, private: Iterable[Path] = ()) -> Starlette:
    """Return the application, whose calls go through ``gate`` and are counted by ``metrics``.

    Processes that present results have no access to the ``private`` folders.
    """
    presenter = Presenter(choose_closed(private))
    app = Starlette(
        routes=[
            Route("/login", show_login, methods=["GET"]),
            Route("/login", log_in, methods=["POST"]),
            Route("/logout", log_out, methods=["POST"]),
            Route("/static/{version}/{name:path}", serve_file),
            *openapi.ROUTES,
            *stream.ROUTES,
            *results.list_routes(presenter),
            *json_api.list_routes(),
            *PAGES,
        ],
        middleware=[
            Middleware(Measured, metrics=metrics),
            Middleware(Authentication, gate=gate, sessions=Sessions(gate.secret)),
            Middleware(Links),
        ],
        exception_handlers={HTTPException: _answer, HeadraceError: _answer},
    )
    app.state.hub = stream.Hub(gate)
    app.state.presenter = presenter
    return app


class Links:
    """Accepts a link with a token, to any page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if is_link(request):
            await (await log_in_by_link(request))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def _answer(request: Request, error: Exception) -> Response:
    return answer_error(request, error)
