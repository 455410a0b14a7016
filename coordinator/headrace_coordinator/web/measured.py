"""Counts the answers of the application, and how long they take."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace_coordinator.monitoring.page_metrics import PageMetrics, find_purpose


class Measured:
    """Wraps an application."""

    def __init__(self, app: ASGIApp, metrics: PageMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a request when its answer begins, and a stream for as long as it is open."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        purpose = find_purpose(scope["path"])
        is_stream = False

        async def send_counted(message: Message) -> None:
            nonlocal is_stream
            if message["type"] == "http.response.start":
                status: int = message["status"]
                self._metrics.note(purpose, status, time.monotonic() - begun)
                if purpose == "stream" and status == 200 and scope["method"] == "GET":
                    is_stream = True
                    self._metrics.streams.inc()
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            if is_stream:
                self._metrics.streams.dec()
