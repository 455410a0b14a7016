"""Frames: a structure in MessagePack, followed by the payloads, which are passed on unchanged.

    structure                                                  if the payloads are small
    0xC1 │ length of the structure │ structure │ payload │ …   if they are not

Payloads are the opaque bytes in messages. Small ones are in the structure, as byte strings. If they
are large, the structure has the length of each instead, and they follow in the same order. So a
large payload is written to the socket without a copy, and the structure, all of which has to be
examined, is short. (No value of MessagePack begins with 0xC1.)
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct
from msgspec.msgpack import Encoder
from msgspec.structs import replace

from headrace_wire.detached import list_carriers
from headrace_wire.encoding import pack
from headrace_wire.errors import UsageError
from headrace_wire.message import dump
from headrace_wire.parts import Parts

#: The maximum size of the structure of a call: two bytes for each of the maximum number of
#: payloads.
MAX_STRUCTURE_BYTES = 2 << 20

#: If the payloads of a message have at most this many bytes in total, they are in its structure.
INLINE_BYTES = 1 << 16

_MARK = 0xC1
_HEAD_BYTES = 5

_encode = Encoder().encode


def encode(
    before: tuple[object, ...], message: object, most: int, after: tuple[object, ...] = ()
) -> Parts:
    """Encode an array with a message in it, in parts that are sent one after the other.

    Text that is not valid UTF-8, such as a file name, is escaped, because it is meant for people.
    Raises TypeError, OverflowError, and UsageError for a structure of more than ``most`` bytes.
    """
    payloads: list[bytes] = []
    if _measure(message) > INLINE_BYTES:
        message = _take_out(message, payloads)
    values = (*before, message, *after)
    try:
        structure = _encode(values)
    except UnicodeEncodeError:
        structure = pack(dump(values), "backslashreplace")
    if len(structure) > most:
        raise UsageError(
            f"a message of {len(structure)} bytes without its payloads is too large for the "
            f"network, which takes {most}: send less at a time"
        )
    if not payloads:
        return [structure]
    head = bytes([_MARK]) + len(structure).to_bytes(_HEAD_BYTES - 1)
    return [head + structure, *payloads]


def split(frame: bytes | bytearray | memoryview, most: int) -> tuple[memoryview, memoryview | None]:
    """Return the structure of a frame, and the payloads after it; None if they are in it.

    Raises ValueError for a structure that has more than ``most`` bytes, or is incomplete.
    """
    structure, payloads = memoryview(frame), None
    if frame and frame[0] == _MARK:
        end = _HEAD_BYTES + int.from_bytes(structure[1:_HEAD_BYTES])
        if end > len(structure):
            raise ValueError("a frame ends within its structure")
        structure, payloads = structure[_HEAD_BYTES:end], structure[end:]
    if len(structure) > most:
        raise ValueError(f"a message of {len(structure)} bytes without its payloads")
    return structure, payloads


def _measure(value: Any) -> int:
    """Return the size of all payloads in a field of a message."""
    kind = cast("object", type(value))
    if kind is bytes:
        return len(value)
    if isinstance(value, Struct):
        return sum([_measure(getattr(value, name)) for name in list_carriers(type(value))])
    if kind is tuple and value and isinstance(value[0], bytes | Struct):
        return sum(map(_measure, value))
    return 0


def _take_out(value: Any, payloads: list[bytes]) -> Any:
    """Return the value with a length instead of each payload."""
    kind = cast("object", type(value))
    if kind is bytes:
        payloads.append(value)
        return len(value)
    if isinstance(value, Struct):
        names = list_carriers(type(value))
        return replace(value, **{one: _take_out(getattr(value, one), payloads) for one in names})
    if kind is tuple:
        return tuple([_take_out(one, payloads) for one in value])
    return value
