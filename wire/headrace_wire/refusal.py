"""Describes what is wrong with a message that msgspec refused: which value, and what it may be.

msgspec says where it stopped and what it expected there, but not what it found. Refusals are rare,
so a refused message is read again here, field by field, and the number of entries is checked before
anything is built.
"""

from __future__ import annotations

import typing
from typing import Any, Literal

from msgspec import DecodeError, Meta, Raw, ValidationError
from msgspec.msgpack import decode

from headrace_wire.bounds import (
    MAX_NAMED_TASKS,
    check_value,
    describe,
    is_record,
    quote,
    read_hints,
    split_hint,
)
from headrace_wire.errors import BoundsError, HeadraceError, ProtocolError
from headrace_wire.mismatch import explain_mismatch
from headrace_wire.newer import is_loose

#: The first bytes of arrays and of maps: with up to 15 entries, and with a count of 16 or 32 bits.
ARRAY = (0x90, 0xDC, 0xDD)
MAP = (0x80, 0xDE, 0xDF)

#: None, packed.
_NIL = b"\xc0"


def explain_refusal(kind: Any, packed: bytes | bytearray | memoryview) -> HeadraceError:
    """Return a BoundsError or a ProtocolError about the first value that is not of its type."""
    try:
        _check(kind, memoryview(packed), kind.__name__)
    except HeadraceError as error:
        return error
    except (DecodeError, RecursionError):
        pass  # bytes are missing, or lists are nested too deeply
    return ProtocolError(f"a malformed {kind.__name__} arrived")


def _check(hint: Any, packed: memoryview, name: str) -> None:
    """Raise an error if there is anything wrong with a value of this name."""
    kind, meta, is_optional = split_hint(hint)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_optional and bytes(packed[:1]) == _NIL:
        return
    if is_record(kind):
        _check_message(kind, packed)
    elif origin is tuple:
        _check_count(tuple, meta, count_entries(packed), name)
        for one in decode(packed, type=list[Raw]):
            _check(arguments[0], memoryview(one), name)
    elif origin is dict:
        _check_count(dict, meta, count_entries(packed, MAP), name)
        for key, value in _decode(dict[str, Raw], packed, name).items():
            check_value(arguments[0], key, name)
            _check(arguments[1], memoryview(value), name)
    elif origin is Literal:
        if (word := _decode(str, packed, name)) not in arguments:
            raise BoundsError(f"{name} must be one of {', '.join(arguments)}, not {quote(word)}")
    else:
        check_value(hint, _decode(kind, packed, name), name)


def _check_message(kind: Any, packed: memoryview) -> None:
    hints = read_hints(kind)
    required = len(hints) - len(kind.__struct_defaults__)
    count = count_entries(packed)
    if count < required or (count > len(hints) and not is_loose(kind)):
        raise ProtocolError(f"a malformed {kind.__name__} arrived")
    for (name, hint), value in zip(hints.items(), decode(packed, type=list[Raw]), strict=False):
        _check(hint, memoryview(value), name)


def _check_count(kind: Any, meta: Meta | None, count: int, name: str) -> None:
    if count < 0:
        raise ProtocolError(f"{name} must be {'an object' if kind is dict else 'a list'}")
    if meta and meta.max_length is not None and count > meta.max_length:
        raise BoundsError(f"{name} must be {describe(meta, kind)}, not {count}")
    if count > MAX_NAMED_TASKS:
        raise ProtocolError(f"{name} must have {MAX_NAMED_TASKS} entries at most, not {count}")


def _decode(kind: Any, packed: memoryview, name: str) -> Any:
    try:
        return decode(packed, type=kind)
    except ValidationError as error:
        raise ProtocolError(explain_mismatch(error, kind, name)) from None
    except DecodeError:  # nothing is missing: its bytes have been counted
        raise ProtocolError(f"{name} must be text, not bytes that are no UTF-8") from None


def count_entries(packed: bytes | memoryview, marks: tuple[int, int, int] = ARRAY) -> int:
    """Return the number of entries in an array or a map, from its header; -1 for anything else."""
    short, middle, long = marks
    first = packed[0] if packed else 0
    if first & 0xF0 == short:
        return first & 0x0F
    width = {middle: 2, long: 4}.get(first, 0)
    return int.from_bytes(packed[1 : 1 + width]) if 0 < width < len(packed) else -1
