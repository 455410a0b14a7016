"""The JSON API: each method of the table as a route."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace_coordinator.web.authentication import check_forgery
from headrace_coordinator.web.body import read_body
from headrace_coordinator.web.json_models import to_model
from headrace_coordinator.web.methods import Method, list_methods, takes_list
from headrace_coordinator.web.names import register_names
from headrace_wire.bounds import read_hints
from headrace_wire.errors import BoundsError
from headrace_wire.mismatch import explain_mismatch

PREFIX = "/api/v1"

JSON = "application/json"


def list_routes() -> Iterator[Route]:
    """Yield a route for each path of the table."""
    register_names()
    methods: dict[str, dict[str, Method]] = {}
    for method in list_methods():
        methods.setdefault(method.path, {})[method.verb] = method
    for path, of_path in methods.items():
        endpoint = partial(_answer, of_path)
        yield Route(PREFIX + path.replace("}", ":named}"), endpoint, methods=list(of_path))


async def _answer(methods: dict[str, Method], request: Request) -> Response:
    method = methods["GET" if request.method == "HEAD" else request.method]
    if method.verb == "GET":
        given = read_query(request, method.given)
    else:
        if refusal := check_forgery(request, request.headers.get("X-CSRF-Token", "")):
            return refusal
        given = await read_object(request, method.given)
    arguments = method.build(request.path_params, given)
    found = await request.state.visitor.call(method.name, **arguments)
    if found is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return Response(msgspec.json.encode(to_model(found)), media_type=JSON)


def read_query(request: Request, kind: type[Struct]) -> Any:
    """Return the parameters of a query. Raises BoundsError for unknown ones."""
    hints = read_hints(kind)
    values: dict[str, Any] = {}
    for name in request.query_params:
        if name not in hints:
            known = ", ".join(hints) or "none"
            raise BoundsError(f"there is no parameter {name!r}: there are {known}")
        several = request.query_params.getlist(name)
        values[name] = several if takes_list(hints[name]) else several[-1]
    return _convert(values, kind, strict=False)


async def read_object(request: Request, kind: type[Struct]) -> Any:
    """Return the object in a body; an empty body stands for an empty object."""
    body = await read_body(request)
    if not body.strip():
        return _convert({}, kind, strict=True)
    content_type = request.headers.get("Content-Type", JSON).partition(";")[0].strip().lower()
    if content_type != JSON:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a body is {JSON} here")
    try:
        return msgspec.convert(_make_whole(msgspec.json.decode(body)), kind)
    except RecursionError:
        raise BoundsError("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BoundsError(_explain(error, kind)) from None


def _make_whole(value: Any) -> Any:
    """Return a value of JSON with 1 instead of 1.0: JSON has only one kind of number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        known = cast("dict[str, Any]", value)
        return {name: _make_whole(one) for name, one in known.items()}
    if isinstance(value, list):
        items = cast("list[object]", value)
        return [_make_whole(one) for one in items]
    return value


def _convert(values: dict[str, Any], kind: type[Struct], *, strict: bool) -> Any:
    try:
        return msgspec.convert(values, kind, strict=strict)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise BoundsError(_explain(error, kind)) from None


def _explain(error: Exception, kind: type[Struct]) -> str:
    return f"the request cannot be read: {explain_mismatch(error, kind)[:300]}"
