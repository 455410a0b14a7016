"""The files that pages refer to, under a name that changes with what is in them.

    /static/<hash of all of them>/headrace.js

So a browser keeps them for ever, modules import each other by relative names, and nothing of an
earlier version is ever mixed with this one.
"""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

#: Types of the files that there are; others are not served.
MEDIA_TYPES = {
    "css": "text/css",
    "ico": "image/x-icon",
    "js": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}

#: How long a browser may keep a file: a year, which is for ever.
CACHE = "public, max-age=31536000, immutable"

#: Characters of the hash: enough that no two versions have the same.
HASH_CHARACTERS = 12


@cache
def read_files() -> dict[str, bytes]:
    """The content of each file, by its name in the folder ``static``."""
    return dict(sorted(_walk(files("headrace_coordinator.web").joinpath("static"), "")))


@cache
def find_version() -> str:
    """The hash of all files."""
    digest = hashlib.sha256()
    for name, content in read_files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:HASH_CHARACTERS]


def find_url(name: str) -> str:
    """Where a file is served. Raises LookupError for one that there is not."""
    if name not in read_files():
        raise LookupError(f"there is no static file {name!r}")
    return f"/static/{find_version()}/{name}"


async def serve_file(request: Request) -> Response:
    """Answer a request for a file."""
    name = request.path_params["name"]
    content = read_files().get(name)
    if content is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no static file {name!r}")
    is_current = request.path_params["version"] == find_version()
    headers = {"Cache-Control": CACHE if is_current else "no-cache"}
    return Response(content, headers=headers, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


def _walk(folder: Traversable, start: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for one in folder.iterdir():
        if one.is_dir():
            found += _walk(one, f"{start}{one.name}/")
        elif one.name.rpartition(".")[2] in MEDIA_TYPES:
            found.append((start + one.name, one.read_bytes()))
    return found
