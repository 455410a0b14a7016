"""msgpack for what crosses the network: plain values, and nothing else.

There is one extension type besides msgpack's own types: an error, which is a code and a message.
Nothing that arrives can name a class, import a module or run code.
"""

from __future__ import annotations

from typing import Any, cast

import msgpack

from headrace_wire.errors import HeadraceError

# msgpack's functions have no types.
_msgpack: Any = cast("Any", msgpack)

#: The extension code of an error.
ERROR_CODE = 2

#: The maximum number of elements in one array or map; more in a frame is an attack or a mistake.
MAX_ELEMENTS = 1 << 20

#: The maximum size of an extension value in bytes, which limits error messages.
MAX_EXTENSION_BYTES = 1 << 14

#: The maximum number of characters of an error's message that cross the wire.
MAX_MESSAGE_CHARACTERS = 2000


def pack(value: object, unicode_errors: str = "surrogateescape") -> bytes:
    """Encode one frame. Raises TypeError and OverflowError for values that have no plain form.

    Text that is not valid UTF-8, such as a file name, keeps its bytes, or is escaped if requested.
    """
    try:
        packed: bytes = _msgpack.packb(value, default=_pack_error, unicode_errors=unicode_errors)
    except UnicodeEncodeError:
        # A lone surrogate stands for no byte; only text for people can contain one.
        return pack(value, "backslashreplace")
    return packed


def _pack_error(value: object) -> Any:
    """Convert a value that msgpack does not know. Raises TypeError and OverflowError."""
    if isinstance(value, BaseException):
        error = value if isinstance(value, HeadraceError) else HeadraceError(repr(value))
        message = error.message[:MAX_MESSAGE_CHARACTERS]
        return _msgpack.ExtType(ERROR_CODE, pack([error.code, message]))
    if isinstance(value, int):
        raise OverflowError("a number of more than 64 bits does not cross the wire")
    raise TypeError(f"{type(value).__name__} does not cross the wire")


def unpack(frame: bytes | bytearray | memoryview) -> Any:
    """Decode one frame.

    Raises ValueError or one of msgpack's exceptions, which are ValueErrors, too, for invalid data.
    """
    # A header cannot claim more elements than the frame has bytes, because memory is allocated
    # according to the header.
    most = min(MAX_ELEMENTS, len(frame))
    try:
        return _msgpack.unpackb(
            frame,
            ext_hook=_unpack_error,
            raw=False,
            strict_map_key=False,
            unicode_errors="surrogateescape",
            max_array_len=most,
            max_map_len=most,
            max_ext_len=MAX_EXTENSION_BYTES,
        )
    except TypeError as error:
        raise ValueError(f"a map with a list or map as key: {error}") from None


def _unpack_error(code: int, body: bytes) -> HeadraceError:
    parts = _msgpack.unpackb(body, max_array_len=2, unicode_errors="surrogateescape")
    match parts:
        case [str(error_code), str(message)] if code == ERROR_CODE:
            return HeadraceError.from_code(error_code, message)
        case _:
            raise ValueError(f"a malformed or unknown extension, type {code}")
