"""The head of an HTTP request, and an answer, as bytes. This is all that monitoring needs."""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, parse_headers
from io import BytesIO
from typing import cast

from msgspec import Struct

#: The maximum size of a request's line and headers, in bytes.
MAX_HEAD_BYTES = 16 << 10

#: The maximum size of its first line, in bytes.
MAX_LINE_BYTES = 4 << 10

TEXT = "text/plain; charset=utf-8"

PROBLEM = "application/problem+json"

_IS_OF_API = re.compile(rb"\w+ +/api/")

_END = re.compile(rb"\n\r?\n")


class Request(Struct, frozen=True):
    method: str
    path: str
    headers: HTTPMessage


class Answer(Struct, frozen=True):
    """An answer, after which the connection is closed."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self, *, with_body: bool = True) -> bytes:
        lines = [
            f"HTTP/1.0 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            *[f"{name}: {value}" for name, value in self.headers],
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        return head + self.body if with_body else head


def is_whole(head: bytes | bytearray) -> bool:
    """Return whether a request can be answered: its headers are complete, or too long."""
    return _END.search(head) is not None or len(head) > MAX_HEAD_BYTES


def is_bounded(head: bytes) -> bool:
    """Return whether the head at the beginning is complete and not too long. What comes after it in
    the same piece does not count.
    """
    return _END.search(head, 0, MAX_HEAD_BYTES) is not None


def read_request(head: bytes) -> Request | Answer:
    """Return the request in what has been read, or the answer to an invalid one."""
    line, _, rest = head.partition(b"\n")
    if len(line) > MAX_LINE_BYTES:
        return refuse(HTTPStatus.REQUEST_URI_TOO_LONG, line)
    if not is_bounded(head):
        return refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, line)
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return refuse(HTTPStatus.BAD_REQUEST, line)
    method, target, _ = words
    try:
        headers = parse_headers(BytesIO(rest))
    except HTTPException:
        return refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, line)
    return Request(method, target.partition("?")[0], headers)


def refuse(status: HTTPStatus, line: bytes = b"") -> Answer:
    """Return the answer to an invalid request whose first line is ``line``. For the JSON API it is
    a problem of RFC 9457.
    """
    if not _IS_OF_API.match(line):
        return Answer(status, f"{status.phrase}\n".encode())
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value}
    body = json.dumps(problem | {"detail": status.phrase, "code": code}).encode()
    return Answer(status, body, PROBLEM)


class HeadReader(asyncio.Protocol):
    """Reads the head of a connection's first request, and nothing that comes after it."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._head = bytearray()
        self._whole: asyncio.Future[bytes] = loop.create_future()
        self._lost: asyncio.Future[None] = loop.create_future()
        self._may_write = asyncio.Event()
        self._may_write.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Receive some bytes."""
        if self._whole.done():
            return  # the request has its answer already, and nobody reads its rest
        self._head += data
        if is_whole(self._head):
            self.transport.pause_reading()
            self._whole.set_result(bytes(self._head))

    def eof_received(self) -> bool:
        """Note that the peer sends no more. It may still read the answer, but not with TLS."""
        if not self._whole.done():
            self._whole.set_result(b"")
        elif not self._lost.done():
            self._lost.set_result(None)
        return self.transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed."""
        del exc
        self._may_write.set()
        if not self._whole.done():
            self._whole.set_result(b"")
        if not self._lost.done():
            self._lost.set_result(None)

    def pause_writing(self) -> None:
        """Stop writing for now."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Continue to write."""
        self._may_write.set()

    async def read(self) -> bytes:
        """Return the head and what followed it; b"" if the connection was closed before."""
        return await self._whole

    async def finish(self, answer: bytes, linger_seconds: float) -> None:
        """Send an answer, and wait a moment for the peer to close, because the system would discard
        the answer if the peer still sent something.
        """
        self.transport.set_write_buffer_limits(0)
        self.transport.write(answer)
        await self._may_write.wait()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.transport.resume_reading()
        else:  # with TLS
            self.transport.close()
        await asyncio.wait([self._lost], timeout=linger_seconds)
