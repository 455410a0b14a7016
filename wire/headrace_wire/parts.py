"""Frames in parts: a large byte string is written to the socket without a copy of it.

    ["put", [job, 7, <1 MiB>]] ─► "put", job, 7, header of <1 MiB> │ <1 MiB> itself │ what follows

msgpack copies every byte string into its buffer, and that into the frame. A task passes through six
frames, so that this was a third of all copies of its input and its result.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgpack

from headrace_wire.system.portable import PORTABLE

if TYPE_CHECKING:
    import socket

# msgpack's functions have no types.
_msgpack: Any = cast("Any", msgpack)

#: Byte strings of this size or more are separate parts, and are written without a copy. Their
#: header has 32 bits for the size.
LARGE_BYTES = 1 << 16

#: How many parts are sent in one call; the system accepts 1024 (IOV_MAX).
MOST_AT_ONCE = 512

#: Whether sockets accept several parts in one call, which is not so on Windows.
HAS_SENDMSG = sys.platform != "win32" and not PORTABLE

#: The header of a byte string of up to 2^32 bytes (msgpack's specification: bin 32).
_BIN32 = struct.Struct("!BI")
_BIN32_MARK = 0xC6

#: The bytes of a frame, one part after the other.
Parts = list[bytes]


def pack_parts(value: object, **how: Any) -> Parts:
    """Encode a value; ``how`` are options of msgpack. Raises the errors of msgpack."""
    packer = _msgpack.Packer(autoreset=False, **how)
    parts: Parts = []
    _add(value, packer, parts)
    if rest := packer.bytes():
        parts.append(rest)
    return parts


def join(parts: Parts) -> bytes:
    """Return the frame as a whole, with one copy of each part."""
    return parts[0] if len(parts) == 1 else b"".join(parts)


def measure(parts: Iterable[bytes | memoryview]) -> int:
    """Return the total number of bytes of all parts."""
    return sum(map(len, parts))


def send_some(sock: socket.socket, parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Send as much as a socket accepts at once. Returns the rest. Raises OSError."""
    if sys.platform == "win32" or not HAS_SENDMSG:
        return send_first(sock, parts)
    return drop_sent(parts, sock.sendmsg(parts[:MOST_AT_ONCE]))


def send_first(
    sock: socket.socket, parts: Sequence[bytes | memoryview]
) -> list[bytes | memoryview]:
    """Do the same, for sockets that accept one part at a time."""
    return drop_sent(parts, sock.send(parts[0]))


def drop_sent(parts: Sequence[bytes | memoryview], sent: int) -> list[bytes | memoryview]:
    """Return the rest of parts after this many of their bytes were sent."""
    for place, part in enumerate(parts):
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[place + 1 :]]
        sent -= len(part)
    return []


def _add(value: object, packer: Any, parts: Parts) -> None:
    if isinstance(value, bytes) and len(value) >= LARGE_BYTES:
        parts += (packer.bytes() + _BIN32.pack(_BIN32_MARK, len(value)), value)
        packer.reset()
    elif isinstance(value, list | tuple):
        inner = cast("Sequence[object]", value)
        packer.pack_array_header(len(inner))
        for one in inner:
            _add(one, packer, parts)
    else:
        packer.pack(value)
