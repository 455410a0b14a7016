"""The files that pages refer to, under a URL that changes with their contents.

    /static/<hash of all of them>/headrace.js

So a browser can cache them forever, modules import each other by relative names, and files of
different versions are never mixed.
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

#: The types of the existing files; others are not served.
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

#: How long a browser may cache a file: a year, which is practically forever.
CACHE = "public, max-age=31536000, immutable"

#: The number of characters of the hash, so that no two versions have the same.
HASH_CHARACTERS = 12


@cache
def read_files() -> dict[str, bytes]:
    """Return the content of each file, by its name in the folder ``static``."""
    return dict(sorted(_walk(files("headrace_coordinator.web").joinpath("static"), "")))


@cache
def find_version() -> str:
    """Return the hash of all files."""
    digest = hashlib.sha256()
    for name, content in read_files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:HASH_CHARACTERS]


def find_url(name: str) -> str:
    """Return the path of a file's URL. Raises LookupError if there is no such file."""
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
