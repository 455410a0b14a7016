"""msgpack for everything that crosses the network, and for nothing else than plain values.

Two extension types stand beside msgpack's own types, because BaseManager's protocol sends them:
a Token (which object a proxy means) and an error (a code and a message). Nothing that arrives can
name a class, import a module or run code.
"""

from __future__ import annotations

from multiprocessing.managers import Token
from typing import Any

import msgpack

from headrace_wire.errors import HeadraceError

#: Extension codes on the wire.
TOKEN_CODE = 1
ERROR_CODE = 2

#: Elements in one array or map; more in a frame is an attack or a mistake.
MAX_ELEMENTS = 1 << 20

#: Bytes in one extension value: error messages carry no more.
MAX_EXTENSION_BYTES = 1 << 14

#: Characters of an error's message that cross the wire.
MAX_MESSAGE_CHARACTERS = 2000


def _pack_extension(value: object) -> msgpack.ExtType:
    if isinstance(value, Token):
        return msgpack.ExtType(TOKEN_CODE, msgpack.packb([value.typeid, value.id]))
    if isinstance(value, BaseException):
        error = value if isinstance(value, HeadraceError) else HeadraceError(repr(value))
        message = error.message[:MAX_MESSAGE_CHARACTERS]
        return msgpack.ExtType(ERROR_CODE, msgpack.packb([error.code, message]))
    raise TypeError(f"{type(value).__name__} does not cross the wire")


def _unpack_extension(code: int, body: bytes) -> object:
    first, second = msgpack.unpackb(body, max_array_len=2)
    if code == TOKEN_CODE:
        return Token(first, None, second)
    if code == ERROR_CODE:
        return HeadraceError.from_code(str(first), str(second))
    raise ValueError(f"unknown extension type {code}")


def pack(value: object) -> bytes:
    """Encode one frame. Raises TypeError for what has no plain form."""
    packed: bytes = msgpack.packb(value, default=_pack_extension, use_bin_type=True)
    return packed


def unpack(frame: bytes | bytearray | memoryview) -> Any:
    """Decode one frame.

    Raises ValueError or one of msgpack's exceptions, all ValueErrors too, for anything malformed.
    """
    return msgpack.unpackb(
        frame,
        ext_hook=_unpack_extension,
        raw=False,
        strict_map_key=False,
        max_array_len=MAX_ELEMENTS,
        max_map_len=MAX_ELEMENTS,
        max_ext_len=MAX_EXTENSION_BYTES,
    )
