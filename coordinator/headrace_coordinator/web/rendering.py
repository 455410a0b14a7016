"""Pages made from templates, which escape everything that they are not told is markup, and what
turns a text around or is no character.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from headrace_coordinator.web.display import clean
from headrace_coordinator.web.filters import FILTERS
from headrace_coordinator.web.static_files import find_url
from headrace_coordinator.web.twins import to_twin
from headrace_wire.version import VERSION

#: What would end a script in the middle of JSON text, and what JSON writes in its place.
_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})


def render(
    request: Request, template: str, /, *, status_code: int = HTTPStatus.OK, **data: Any
) -> Response:
    """A template as an answer. It has ``visitor``, ``csrf`` and ``path`` beside the data."""
    visitor = getattr(request.state, "visitor", None)
    text = make_environment().get_template(template).render(
        visitor=visitor,
        csrf=visitor.csrf if visitor else "",
        path=request.url.path,
        **data,
    )  # fmt: skip
    return HTMLResponse(text, status_code, {"Cache-Control": "no-store"})


@cache
def make_environment() -> Environment:
    """What templates have in common."""
    environment = Environment(
        loader=PackageLoader("headrace_coordinator.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_clean,
    )
    common: dict[str, Any] = environment.globals
    common.update(static=find_url, version=VERSION, json=write_json)
    environment.filters.update(FILTERS)
    return environment


def _clean(value: object) -> object:
    """What a template writes for a value: markup is its own."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value


def write_json(value: object) -> Markup:
    """A message, or what has messages in it, as JSON that may stand in a page."""
    text = msgspec.json.encode(to_twin(value)).decode()
    return Markup(text.translate(_UNSAFE))  # noqa: S704 - all that HTML knows is escaped
