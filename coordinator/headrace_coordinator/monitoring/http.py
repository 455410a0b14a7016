"""HTTP for monitoring: /metrics, /healthz and /readyz, and nothing that changes anything.

One thread accepts connections, and each request has one more.
"""

from __future__ import annotations

import logging
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from headrace_wire.address import Address
from headrace_wire.errors import UsageError
from headrace_wire.lookup import find_listening

log = logging.getLogger(__name__)

#: Seconds within which a peer has to send its request.
REQUEST_SECONDS = 10


class HttpServer(socketserver.ThreadingTCPServer):
    """Serves a registry, and tells whether the coordinator is well.

    ``find_problem`` returns one line about what is wrong, and ``find_held`` one about why work
    waits for room, each "" for nothing. Raises UsageError when it cannot serve at the address.
    Unlike http.server's, it does not look up the name of its address before it serves.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(
        self,
        address: Address,
        registry: CollectorRegistry,
        find_problem: Callable[[], str],
        find_held: Callable[[], str] = str,
    ) -> None:
        self.registry = registry
        self.find_problem = find_problem
        self.find_held = find_held
        try:
            self.address_family, place = find_listening(*address)
            super().__init__(place, _Handler)
        except (OSError, UnicodeError) as error:  # a label of a host name may be too long
            why = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot serve HTTP at {address}: {why}") from None
        self._thread = threading.Thread(target=self.serve_forever, name="http", daemon=True)

    @property
    def bound(self) -> Address:
        """The address that is served, with the port that the system chose for port 0."""
        host, port = self.server_address[:2]
        return Address(str(host), int(port))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(timeout=5)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        # socketserver's signature; called while the exception is being handled
        log.debug("HTTP request from %s failed: %r", client_address, sys.exception())


class _Handler(BaseHTTPRequestHandler):
    timeout = REQUEST_SECONDS
    server_version = "headrace"
    sys_version = ""
    server: HttpServer  # pyright: ignore[reportIncompatibleVariableOverride] # no other has it

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, encode(self.server.registry), content_type)
        elif path == "/healthz":
            self._answer(HTTPStatus.OK, b"ok\n")
        elif path == "/readyz":
            problem = self.server.find_problem()
            status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
            held = "" if problem else self.server.find_held()
            line = problem or ("ok" + (f"; work waits: {held}" if held else ""))
            self._answer(status, f"{line}\n".encode())
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n")

    def _answer(
        self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8"
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        log.debug(format, *args)
