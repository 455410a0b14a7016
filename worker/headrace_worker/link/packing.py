"""Values to bytes and back, on the way between a pool and its slots."""

from __future__ import annotations

from typing import Any, cast

import msgpack

# msgpack's functions carry no types.
_msgpack: Any = cast("Any", msgpack)


def pack(value: object) -> bytes:
    packed: bytes = _msgpack.packb(value, unicode_errors="surrogateescape")
    return packed


def unpack(packed: bytes | bytearray | memoryview) -> Any:
    """Return the value; file names that are no UTF-8 come through as Python writes them."""
    return _msgpack.unpackb(packed, strict_map_key=False, unicode_errors="surrogateescape")
