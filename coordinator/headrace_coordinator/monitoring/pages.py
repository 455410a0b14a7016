"""What is answered to HTTP requests; see ``http``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from headrace_coordinator.monitoring.exposition import Registry

log = logging.getLogger(__name__)

#: Seconds for a peer to send its request.
REQUEST_SECONDS = 10


@cache
def make_handler(
    registry: Registry, find_problem: Callable[[], str], find_held: Callable[[], str]
) -> type[BaseHTTPRequestHandler]:
    """What answers one connection's requests."""

    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_SECONDS
        server_version = "headrace"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                body, content_type = registry.write(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, body, content_type)
            elif path == "/healthz":
                self._answer(HTTPStatus.OK, b"ok\n")
            elif path == "/readyz":
                problem = find_problem()
                status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
                held = "" if problem else find_held()
                line = problem or ("ok" + (f"; work waits: {held}" if held else ""))
                self._answer(status, f"{line}\n".encode())
            else:
                text = b"there are /metrics, /healthz and /readyz\n"
                self._answer(HTTPStatus.NOT_FOUND, text)

        def _answer(
            self,
            status: HTTPStatus,
            body: bytes,
            content_type: str = "text/plain; charset=utf-8",
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
            log.debug(format, *args)

    return Handler
