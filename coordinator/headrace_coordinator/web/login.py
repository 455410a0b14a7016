"""Login and logout: the text of a key is exchanged for a session, which a cookie contains."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from headrace_coordinator.web.authentication import (
    check_forgery,
    find_next,
    is_own,
    name_peer,
    write_cookie,
)
from headrace_coordinator.web.body import read_body
from headrace_coordinator.web.gate import refuse_token
from headrace_coordinator.web.rendering import render
from headrace_wire.session import audit

#: The parameter of a login link that is not a parameter of the page.
_TOKEN = "token"  # noqa: S105 - a parameter's name


async def show_login(request: Request) -> Response:
    """Show the form for a token, or redirect a visitor that needs none."""
    following = find_next(request.query_params.get("next", ""))
    if hasattr(request.state, "visitor"):
        return RedirectResponse(following, HTTPStatus.SEE_OTHER)
    return render(request, "login.html", following=following, detail="")


async def log_in(request: Request) -> Response:
    """Accept the form."""
    if not is_own(request):
        raise HTTPException(HTTPStatus.FORBIDDEN, "this form is not of this coordinator's page")
    form = await read_form(request)
    return await _begin(request, form.get(_TOKEN, ""), find_next(form.get("next", "")))


async def log_in_by_link(request: Request) -> Response:
    """Accept the token of a link, and redirect to the same page without it."""
    rest = [one for one in request.query_params.multi_items() if one[0] != _TOKEN]
    path = request.url.path + (f"?{urlencode(rest)}" if rest else "")
    return await _begin(request, request.query_params[_TOKEN], find_next(path))


async def log_out(request: Request) -> Response:
    """End the session."""
    form = await read_form(request)
    if refusal := check_forgery(request, form.get("csrf", "")):
        return refusal
    if session := request.state.session:
        request.state.sessions.end(session)
    response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    response.headers["Set-Cookie"] = write_cookie(request, "")
    return response


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; of repeated fields, the first."""
    try:
        found = parse_qs((await read_body(request)).decode(), max_num_fields=100)
    except ValueError:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "this is no form") from None
    return {name: values[0] for name, values in found.items()}


async def _begin(request: Request, token: str, following: str) -> Response:
    holder = await request.state.gate.find_by_token(token)
    if holder is None:
        request.state.seat.note_wrong_token()
        detail = refuse_token().message
        status = HTTPStatus.UNAUTHORIZED
        return render(request, "login.html", status_code=status, following=following, detail=detail)
    peer = name_peer(request)
    audit.info("%s (%s) at %s, by HTTP: log in", holder.name, holder.role, peer)
    session = request.state.sessions.make(holder.mark, holder.role)
    if is_own(request):
        response: Response = RedirectResponse(following, HTTPStatus.SEE_OTHER)
    else:
        # A browser that comes from another site sends the cookie only with what this page loads.
        response = render(request, "forward.html", following=following)
    response.headers["Set-Cookie"] = write_cookie(request, session.text)
    return response
