"""Makes pages from templates, which escape everything that is not declared to be markup, as well as
characters that change the direction of text and invalid characters.
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
from headrace_coordinator.web.json_models import to_model
from headrace_coordinator.web.static_files import find_url
from headrace_wire.version import VERSION

#: What could end a script in the middle of JSON text, and how JSON escapes it.
_UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})


def render(
    request: Request, template: str, /, *, status_code: int = HTTPStatus.OK, **data: Any
) -> Response:
    """Return a template as an answer. It gets ``visitor``, ``csrf`` and ``path`` besides the
    data.
    """
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
    """Return the environment of all templates."""
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
    """Return what a template writes for a value. Markup is not changed."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return clean(value)
    return value


def write_json(value: object) -> Markup:
    """Return a message, or a value that contains messages, as JSON that may be part of a page."""
    text = msgspec.json.encode(to_model(value)).decode()
    return Markup(text.translate(_UNSAFE))  # noqa: S704 - everything special in HTML is escaped
