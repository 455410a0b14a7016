"""The description of the JSON API in OpenAPI 3.1, made from the types of the messages.

So the documented bounds are those that are checked, and a new line of the table adds its method
here.
"""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from inspect import cleandoc
from typing import Any, cast

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields as list_fields
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace_coordinator.web.json_api import JSON, PREFIX
from headrace_coordinator.web.methods import Method, list_methods, takes_list
from headrace_coordinator.web.presenter import Summary
from headrace_coordinator.web.problems import MEDIA_TYPE, Problem
from headrace_coordinator.web.results import KINDS, OTHER_KIND
from headrace_coordinator.web.topics import StreamQuery
from headrace_wire.bounds import JobId, read_hints
from headrace_wire.version import VERSION

#: The errors that any request may have.
_PROBLEMS: tuple[HTTPStatus, ...] = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.SERVICE_UNAVAILABLE,
)

_SUMMARY_TEXT = "What there is to see of a job's results, opened by a process of its own."

_RESULTS_TEXT = "The results of a job that has ended, as a file."

_STREAM_TEXT = """What happens, as server-sent events.

The events of a topic have its name and the JSON of the path of that name as their data.
"""


@cache
def describe_api() -> bytes:
    """Return the description, as JSON."""
    methods = list_methods()
    kinds = [Problem, JobId, Summary, *[one.answer for one in methods]]
    hints = [hint for one in methods for hint in read_hints(one.given).values()]
    schemas, components = _make_schemas([*kinds, *hints])
    (problem, job, summary), answers = schemas[:3], iter(schemas[3 : len(kinds)])
    given = iter(schemas[len(kinds) :])
    paths: dict[str, dict[str, Any]] = {}
    for method in methods:
        fields = [(one, next(given)) for one in list_fields(method.given)]
        operation = _describe(method, next(answers), fields, problem)
        paths.setdefault(method.path, {})[method.verb.lower()] = operation
    paths["/stream"] = {"get": _describe_stream(problem)}
    paths["/jobs/{job}/summary"] = _describe_results(
        "summary", _SUMMARY_TEXT, job, {JSON: {"schema": summary}}, problem
    )
    contents = {kind: {"schema": {"type": "string"}} for kind in (*KINDS.values(), OTHER_KIND)}
    paths["/jobs/{job}/results"] = _describe_results(
        "results", _RESULTS_TEXT, job, contents, problem
    )
    return msgspec.json.encode({
        "openapi": "3.1.0",
        "info": {
            "title": "headrace",
            "version": VERSION,
            "description": "Jobs, tasks and workers of one coordinator.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The text of a client's, an observer's or the own key.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "headrace-PORT",
                    "description": "Of the page. What is changed wants `X-CSRF-Token`, too.",
                },
            },
        },
    })  # fmt: skip


async def serve_description(request: Request) -> Response:
    """Answer a request for the description."""
    del request
    return Response(describe_api(), media_type=JSON)


def _describe(
    method: Method, answer: Any, fields: list[tuple[Any, Any]], problem: Any
) -> dict[str, Any]:
    summary, _, rest = method.text.partition("\n")
    hints = read_hints(method.signature.arguments)
    in_path, _ = _make_schemas([_find_hint(method, name, hints) for name in method.in_path])
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema in zip(method.in_path, in_path, strict=True)
    ]
    operation: dict[str, Any] = {
        "operationId": method.name.replace(".", "_"),
        "summary": summary.strip(),
        "parameters": parameters,
        "responses": _describe_answers(method, answer, problem),
    }
    if rest.strip():
        operation["description"] = " ".join(rest.split())
    if method.verb == "GET":
        parameters += [_describe_parameter(one, schema, method.given) for one, schema in fields]
    elif fields:
        content = {"type": "object", "additionalProperties": False}
        properties = {one.name: schema for one, schema in fields}
        operation["requestBody"] = {
            "content": {JSON: {"schema": {**content, "properties": properties}}}
        }
    return operation


def _find_hint(method: Method, name: str, hints: dict[str, Any]) -> Any:
    """Return the type of a parameter that is a part of the path."""
    if name in hints or method.message is None:
        return hints[name]
    return read_hints(method.message[1])[name]


def _describe_parameter(one: Any, schema: Any, given: type[Struct]) -> dict[str, Any]:
    found = {
        "name": one.name,
        "in": "query",
        "required": one.default is NODEFAULT and one.default_factory is NODEFAULT,
        "schema": schema,
    }
    if isinstance(one.default, int | float | str) and one.name != "stop":
        found["schema"] = {**schema, "default": one.default}
    if takes_list(read_hints(given)[one.name]):
        found |= {"style": "form", "explode": True}
    return found


def _describe_answers(method: Method, answer: Any, problem: Any) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    if answer == {"type": "null"}:
        answers["204"] = {"description": "It is done."}
    else:
        answers["200"] = {"description": "The answer.", "content": {JSON: {"schema": answer}}}
    statuses = [*_PROBLEMS]
    if method.in_path:
        statuses.append(HTTPStatus.NOT_FOUND)
    if method.verb == "POST":
        statuses += [
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        ]
    return answers | _describe_problems(statuses, problem)


def _describe_problems(statuses: list[HTTPStatus], problem: Any) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": problem}}
    found = {str(int(one)): one.phrase for one in sorted(statuses)} | {"default": "A problem"}
    return {
        status: {"description": f"{text}.", "content": content} for status, text in found.items()
    }


def _describe_results(
    name: str, text: str, job: Any, content: dict[str, Any], problem: Any
) -> dict[str, Any]:
    statuses = [*_PROBLEMS, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT]
    operation = {
        "operationId": name,
        "summary": text,
        "parameters": [{"name": "job", "in": "path", "required": True, "schema": job}],
        "responses": {
            "200": {"description": "The answer.", "content": content},
            **_describe_problems(statuses, problem),
        },
    }
    return {"get": operation}


def _describe_stream(problem: Any) -> dict[str, Any]:
    summary, _, rest = _STREAM_TEXT.partition("\n")
    schemas, _ = _make_schemas(list(read_hints(StreamQuery).values()))
    fields = list_fields(StreamQuery)
    return {
        "operationId": "stream",
        "summary": summary,
        "description": " ".join(rest.split()),
        "parameters": [
            _describe_parameter(one, schema, StreamQuery)
            for one, schema in zip(fields, schemas, strict=True)
        ],
        "responses": {
            "200": {
                "description": "Events.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            **_describe_problems(list(_PROBLEMS), problem),
        },
    }


def _make_schemas(kinds: list[Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return JSON schemas of types, and those of the objects that they refer to by name."""
    schemas, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    return _translate(list(schemas)), _translate(components)


def _translate(schema: Any) -> Any:
    """Return a schema whose patterns are in the syntax of JavaScript."""
    if isinstance(schema, list):
        return [_translate(one) for one in cast("list[object]", schema)]
    if not isinstance(schema, dict):
        return schema
    known = cast("dict[str, Any]", schema)
    found = {name: _translate(one) for name, one in known.items()}
    if isinstance(pattern := found.get("pattern"), str):
        found["pattern"] = translate_pattern(pattern)
    if isinstance(text := found.get("description"), str):
        found["description"] = cleandoc(text)
    return found


def translate_pattern(pattern: str) -> str:
    """Return a pattern in a syntax that JavaScript understands, too."""
    known = pattern.replace(r"\A", "^").replace(r"\Z", "$")
    known = known.replace(r"\ud800-\udfff", "")  # no text of JSON has them
    return re.sub(r"\\U([0-9a-f]{8})", lambda found: chr(int(found[1], 16)), known)


ROUTES = [Route(f"{PREFIX}/openapi.json", serve_description)]
