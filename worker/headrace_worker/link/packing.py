"""Values to bytes and back, on the way between a pool and its slots."""

from __future__ import annotations

from typing import Any, cast

import msgpack

from headrace_wire.parts import Parts, join, pack_parts

# msgpack's functions carry no types.
_msgpack: Any = cast("Any", msgpack)


def pack(value: object) -> bytes:
    return join(pack_message(value))


def pack_message(value: object) -> Parts:
    """``pack``, in parts."""
    return pack_parts(value, unicode_errors="surrogateescape")


def unpack(packed: bytes | bytearray | memoryview) -> Any:
    """Give the value back; file names that are no UTF-8 come through as Python writes them."""
    return _msgpack.unpackb(packed, strict_map_key=False, unicode_errors="surrogateescape")
