"""A request and an answer of HTTP, as bytes: GET and HEAD, and no more than monitoring needs."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, parse_headers
from io import BytesIO

from msgspec import Struct

#: Bytes of a request's line and headers.
MAX_HEAD_BYTES = 16 << 10

#: Bytes of its first line.
MAX_LINE_BYTES = 4 << 10

TEXT = "text/plain; charset=utf-8"

_END = re.compile(rb"\n\r?\n")


class Request(Struct, frozen=True):
    method: str
    path: str
    headers: HTTPMessage


class Answer(Struct, frozen=True):
    """What is answered; as bytes it ends the connection."""

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
    """Whether a request can be answered: its headers are there, or are too long."""
    return _END.search(head) is not None or len(head) > MAX_HEAD_BYTES


def read_request(head: bytes) -> Request | Answer:
    """The request in what has been read, or the answer to what is none."""
    line, _, rest = head.partition(b"\n")
    if len(line) > MAX_LINE_BYTES:
        return refuse(HTTPStatus.REQUEST_URI_TOO_LONG)
    if not _END.search(head):
        return refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return refuse(HTTPStatus.BAD_REQUEST)
    method, target, _ = words
    if method not in {"GET", "HEAD"}:
        return refuse(HTTPStatus.NOT_IMPLEMENTED)
    try:
        headers = parse_headers(BytesIO(rest))
    except HTTPException:
        return refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return Request(method, target.partition("?")[0], headers)


def refuse(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.phrase}\n".encode())
