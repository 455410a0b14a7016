"""Reads the body of a request within limits of its size and of the time that it takes."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

#: The maximum size of a body in bytes; the indices of many tasks make the largest one.
MAX_BODY_BYTES = 2 << 20

#: How many seconds a body may take to arrive.
BODY_SECONDS = 10.0


async def read_body(request: Request) -> bytes:
    """Return a request's body. Raises HTTPException if it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(
                        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        f"a body has at most {MAX_BODY_BYTES} bytes",
                    )
    except TimeoutError:
        raise HTTPException(
            HTTPStatus.REQUEST_TIMEOUT, f"the body took longer than {BODY_SECONDS:.0f} seconds"
        ) from None
    except ClientDisconnect:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the body is not whole") from None
    return bytes(body)
