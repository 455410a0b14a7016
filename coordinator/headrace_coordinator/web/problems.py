"""Errors in HTTP: a status, and a problem according to RFC 9457.

{"type": "about:blank", "title": "Not Found", "status": 404, "code": "unknown_job", "detail": …}
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from headrace_wire.errors import (
    BoundsError,
    HeadraceError,
    JobStateError,
    KeyRefusedError,
    NotAllowedError,
    ProtocolError,
    SpoolFullError,
    StoreError,
    UnknownJobError,
    UnknownSharedError,
    UnknownWorkerError,
    UnreachableError,
    UsageError,
)

MEDIA_TYPE = "application/problem+json"

#: The status of each kind of error; the first match applies.
_STATUS: tuple[tuple[type[HeadraceError], HTTPStatus], ...] = (
    (UnknownJobError, HTTPStatus.NOT_FOUND),
    (UnknownWorkerError, HTTPStatus.NOT_FOUND),
    (UnknownSharedError, HTTPStatus.NOT_FOUND),
    (JobStateError, HTTPStatus.CONFLICT),
    (KeyRefusedError, HTTPStatus.UNAUTHORIZED),
    (NotAllowedError, HTTPStatus.FORBIDDEN),
    (BoundsError, HTTPStatus.BAD_REQUEST),
    (ProtocolError, HTTPStatus.BAD_REQUEST),
    (UsageError, HTTPStatus.CONFLICT),  # the request itself was readable
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (SpoolFullError, HTTPStatus.SERVICE_UNAVAILABLE),
    (UnreachableError, HTTPStatus.SERVICE_UNAVAILABLE),
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong. ``code`` is the code of the error, ``topic`` the topic of a stream."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    topic: str = ""


def find_status(error: HeadraceError) -> HTTPStatus:
    """Return the status for an error."""
    found = (status for kind, status in _STATUS if isinstance(error, kind))
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def describe_error(error: HeadraceError, topic: str = "") -> Problem:
    """Return the problem for an error."""
    status = find_status(error)
    return Problem(
        title=status.phrase, status=status, detail=error.message, code=error.code, topic=topic
    )


def describe_status(status: HTTPStatus, detail: str = "") -> Problem:
    """Return the problem for an error of HTTP itself."""
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return Problem(title=status.phrase, status=status, detail=detail or status.phrase, code=code)


def answer_problem(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """Return a problem as an answer."""
    body = msgspec.json.encode(problem)
    return Response(body, problem.status, headers, media_type=MEDIA_TYPE)
