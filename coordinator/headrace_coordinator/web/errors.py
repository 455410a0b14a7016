"""The answers to failed requests: a problem for programs, a page for people."""

from __future__ import annotations

import logging
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from headrace_coordinator.web.problems import (
    Problem,
    answer_problem,
    describe_error,
    describe_status,
)
from headrace_coordinator.web.rendering import render
from headrace_wire.bounds import quote
from headrace_wire.errors import HeadraceError

#: What people are told instead of a terminal command, by the code of the error: what is missing,
#: and what may have happened to it.
_LOST: dict[str, tuple[str, str]] = {
    "unknown_job": (
        "job",
        "It may have been deleted, or have expired too long ago, or its id is another one.",
    ),
    "unknown_worker": (
        "worker",
        "It may have gone, or be cut off for a while. One that was started again has another id.",
    ),
}

log = logging.getLogger(__name__)


def answer_error(request: Request, error: Exception) -> Response:
    """Return the answer for an error: a page for browsers, and a problem for all others."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        problem = describe_status(HTTPStatus(error.status_code), error.detail)
        headers = dict(error.headers or {})
    elif isinstance(error, HeadraceError):
        problem = describe_error(error)
    else:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        problem = describe_status(
            HTTPStatus.INTERNAL_SERVER_ERROR, "the coordinator failed; its log says why"
        )
    return _answer(request, problem, headers)


def _answer(request: Request, problem: Problem, headers: dict[str, str]) -> Response:
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("Accept", ""):
        return answer_problem(problem, headers)
    detail, lost = problem.detail, ""
    if problem.status == HTTPStatus.NOT_FOUND and detail == problem.title:
        detail = "there is nothing at this address"
    if problem.code in _LOST:
        what, lost = _LOST[problem.code]
        name = request.path_params.get(what, "")
        detail = f"there is no {what} {quote(name)}"
    response = render(
        request,
        "error.html",
        status_code=problem.status,
        status=problem.status,
        title=problem.title,
        detail=detail,
        lost=lost,
    )
    response.headers.update(headers)
    return response
