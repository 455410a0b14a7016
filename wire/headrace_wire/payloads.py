"""Frames: a structure in MessagePack, and behind it the payloads, which are passed on as they are.

    structure                                                  where the payloads are small
    0xC1 │ length of the structure │ structure │ payload │ …   where they are not

Payloads are the opaque bytes in messages. Small ones stand in the structure, as byte strings. Where
they are large, the structure has the length of each instead, and they follow in the same order. So
a large payload goes from where it is to the socket without a copy, and the structure, all of which
has to be looked at, stays short. (No value of MessagePack begins with 0xC1.)
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

#: Bytes in the structure of a call: two for each of as many payloads as a call may have.
MAX_STRUCTURE_BYTES = 2 << 20

#: Bytes up to which the payloads of a message, taken together, stand in its structure.
INLINE_BYTES = 1 << 16

_MARK = 0xC1
_HEAD_BYTES = 5

_encode = Encoder().encode


def encode(
    before: tuple[object, ...], message: object, most: int, after: tuple[object, ...] = ()
) -> Parts:
    """Encode an array with a message in it, in parts that are sent one after the other.

    Text that is no UTF-8, such as the name of a file, is escaped: it is for people. Raises
    TypeError, OverflowError, and UsageError for a structure of more than ``most`` bytes.
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
    """The structure of a frame, and the payloads behind it; None where they stand in it.

    Raises ValueError for a structure of more than ``most`` bytes, or one that is not whole.
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
    """Bytes of all payloads in a field of a message."""
    kind = cast("object", type(value))
    if kind is bytes:
        return len(value)
    if isinstance(value, Struct):
        return sum([_measure(getattr(value, name)) for name in list_carriers(type(value))])
    if kind is tuple and value and isinstance(value[0], bytes | Struct):
        return sum(map(_measure, value))
    return 0


def _take_out(value: Any, payloads: list[bytes]) -> Any:
    """The value with a length in place of each payload."""
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
