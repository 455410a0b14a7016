"""Frames in parts: a large byte string goes from where it is to the socket, without a copy of it.

    ["put", [job, 7, <1 MiB>]] ─► "put", job, 7, header of <1 MiB> │ <1 MiB> itself │ what follows

msgpack copies every byte string into its buffer, and that into the frame: with six frames in the
way of a task, that was a third of all copies of its input and its result.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgpack

from headrace_wire.portable import PORTABLE

if TYPE_CHECKING:
    import socket

# msgpack's functions carry no types.
_msgpack: Any = cast("Any", msgpack)

#: Byte strings from this size on are parts of their own, and are written as they are. Their header
#: has 32 bits for the size.
LARGE_BYTES = 1 << 16

#: Parts that are sent in one call: the system takes 1024 (IOV_MAX).
MOST_AT_ONCE = 512

#: Whether sockets take several parts in one call: those of Windows do not.
HAS_SENDMSG = sys.platform != "win32" and not PORTABLE

#: How a byte string of up to 2^32 bytes begins (msgpack's specification: bin 32).
_BIN32 = struct.Struct("!BI")
_BIN32_MARK = 0xC6

#: The bytes of a frame, one part after the other.
Parts = list[bytes]


def pack_parts(value: object, **how: Any) -> Parts:
    """Encode a value; ``how`` are options of msgpack. Raises what msgpack raises."""
    packer = _msgpack.Packer(autoreset=False, **how)
    parts: Parts = []
    _add(value, packer, parts)
    if rest := packer.bytes():
        parts.append(rest)
    return parts


def join(parts: Parts) -> bytes:
    """The frame as a whole, with one copy of each part."""
    return parts[0] if len(parts) == 1 else b"".join(parts)


def measure(parts: Iterable[bytes | memoryview]) -> int:
    """Bytes in all parts together."""
    return sum(map(len, parts))


def send_some(sock: socket.socket, parts: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Send what a socket takes at once. Returns what is left. Raises OSError."""
    if sys.platform == "win32" or not HAS_SENDMSG:
        return send_first(sock, parts)
    return drop_sent(parts, sock.sendmsg(parts[:MOST_AT_ONCE]))


def send_first(
    sock: socket.socket, parts: Sequence[bytes | memoryview]
) -> list[bytes | memoryview]:
    """Do the same, for sockets that take one part at a time."""
    return drop_sent(parts, sock.send(parts[0]))


def drop_sent(parts: Sequence[bytes | memoryview], sent: int) -> list[bytes | memoryview]:
    """What is left of parts when so many of their bytes are sent."""
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
