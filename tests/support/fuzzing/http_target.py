"""What HTTP peers send: a request that is answered, or an answer to what is none."""

from __future__ import annotations

from hypothesis import strategies as st

from headrace_coordinator.monitoring.http import brings_token
from headrace_coordinator.monitoring.http_request import (
    MAX_HEAD_BYTES,
    Answer,
    is_whole,
    read_request,
)
from headrace_coordinator.monitoring.scrapes import choose_format
from support.fuzzing.hostile import change_bytes
from support.fuzzing.target import Target

TOKEN = b"0123456789abcdef" * 4


def check_request(data: bytes) -> None:
    """Whatever is sent can be answered, and nobody gets in without the token."""
    if not is_whole(data):
        assert len(data) <= MAX_HEAD_BYTES
        return
    found = read_request(data)
    if isinstance(found, Answer):
        assert found.encode().startswith(b"HTTP/1.0 ")
        return
    _, content_type = choose_format(",".join(found.headers.get_all("Accept", [])))
    assert content_type.isprintable()
    assert len(content_type) < 100
    assert not brings_token(found.headers.get("Authorization", ""), [TOKEN]) or TOKEN in data


_ASKED = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;version="

_REQUESTS = [
    _ASKED + b"1.0.0\r\nHost: a\r\n\r\n",
    b"HEAD /healthz?x=%00 HTTP/1.0\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nAuthorization: Bearer " + TOKEN + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nAuthorization: =?utf-8?b?QmVhcmVy?= \xff\r\nAccept: */*;q=x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET " + b"/" * 5000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    b"GET / HTTP/1.1\r\n folded\r\n: no name\r\nno colon\r\n\r\n",
]

HTTP_TARGET = Target(
    "http",
    check_request,
    change_bytes(_REQUESTS) | st.binary(max_size=60).map(lambda end: _ASKED + end + b"\r\n\r\n"),
    _REQUESTS,
)
