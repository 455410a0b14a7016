"""HTTP for monitoring: /metrics, /healthz and /readyz, and nothing that changes anything.

One thread accepts, one more for each request. Started by ``start``, stopped by ``stop``. What
answers is imported by the first request: see ``exposition``.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from typing import Any

from headrace_coordinator.monitoring.exposition import Registry
from headrace_wire.address import Address
from headrace_wire.errors import UsageError

log = logging.getLogger(__name__)


class HttpServer:
    """Serves a registry and the answer to «is it well?».

    ``find_problem`` gives one line about what is wrong, "" for nothing, and ``find_held`` one about
    why work waits for room. Raises UsageError when the
    address is not to be had.
    """

    def __init__(
        self,
        address: Address,
        registry: Registry,
        find_problem: Callable[[], str],
        find_held: Callable[[], str] = str,
    ) -> None:
        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET

            def finish_request(self, request: Any, client_address: Any) -> None:
                from headrace_coordinator.monitoring.pages import make_handler  # noqa: PLC0415 - see above

                make_handler(registry, find_problem, find_held)(request, client_address, self)

            def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
                # socketserver's signature; called while the exception is being handled
                log.debug("HTTP request from %s failed: %r", client_address, sys.exception())

        try:
            self._server = Server((address.host, address.port), socketserver.BaseRequestHandler)
        except OSError as error:
            raise UsageError(f"cannot serve HTTP at {address}: {error.strerror}") from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def bound(self) -> Address:
        """The address that is really served, with the port the system chose for port 0."""
        host, port = self._server.server_address[:2]
        return Address(str(host), int(port))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)
