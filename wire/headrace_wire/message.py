"""Messages: Structs that are sent as MessagePack arrays of their fields, in order.

While msgspec decodes what arrives, it checks types and bounds before it builds an object, so that
an invalid message raises one ProtocolError or BoundsError and causes no errors later.
"""

from __future__ import annotations

import typing
from typing import Any, Literal, TypeVar, cast, dataclass_transform

from msgspec import DecodeError, Struct, ValidationError, convert, field, to_builtins
from msgspec.msgpack import decode as decode_msgpack

from headrace_wire.bounds import is_record, read_hints, split_hint
from headrace_wire.detached import attach, detach
from headrace_wire.encoding import unpack
from headrace_wire.errors import ProtocolError
from headrace_wire.newer import is_loose, loosen, tighten
from headrace_wire.refusal import explain_refusal

T = TypeVar("T")

Packed = bytes | bytearray | memoryview

#: What msgspec raises for bytes that are not a value of a type: lists may be nested too deeply.
REFUSALS = (DecodeError, RecursionError)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of every record that crosses the wire."""


def dump(value: object) -> Any:
    """Convert a message, or a value that contains messages, to lists and plain values."""
    return to_builtins(value, builtin_types=(bytes,))


def decode(
    kind: type[T], packed: Packed, payloads: memoryview | None = None, *, is_newer: bool = False
) -> T:
    """Decode what a client or a worker sent. Raises ProtocolError and BoundsError.

    ``payloads`` are those after the message, if there are any. Fields with defaults may be missing
    at its end. A peer that ``is_newer`` may send more fields.
    """
    known: Any = kind if payloads is None else detach(cast("Any", kind))
    expected = loosen(known) if is_newer else known
    try:
        found = decode_msgpack(packed, type=expected)
    except REFUSALS:
        raise explain_refusal(expected, packed) from None
    return _complete(kind, tighten(known, found) if is_newer else found, payloads)


def decode_trusted(
    kind: type[T], packed: Packed, payloads: memoryview | None = None, *, is_newer: bool = False
) -> T:
    """Decode what the coordinator sent or stored, as ``decode`` does. Raises ProtocolError.

    An earlier version may have stored values outside of the present bounds, and text that is not
    valid UTF-8.
    """
    known: Any = kind if payloads is None else detach(cast("Any", kind))
    expected = loosen(known) if is_newer else known
    try:
        found = decode_msgpack(packed, type=expected)
    except REFUSALS:
        try:
            found = _build(expected, unpack(packed))
        except (ValueError, RecursionError):
            raise ProtocolError(f"a malformed {kind.__name__} arrived") from None
    return _complete(kind, tighten(known, found) if is_newer else found, payloads)


def _complete(kind: type[T], found: Any, payloads: memoryview | None) -> T:
    if payloads is None:
        return cast("T", found)
    try:
        return cast("T", attach(kind, found, payloads))
    except ValueError as error:
        raise ProtocolError(f"a malformed {kind.__name__} arrived: {error}") from None


def _build(hint: Any, value: Any) -> Any:
    """Convert plain values to a type, without checking its bounds. Raises ValidationError."""
    kind, _, is_optional = split_hint(hint)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if is_optional and value is None:
        return None
    if origin is Literal:
        return convert(value, str)
    if origin is dict:
        found = convert(value, dict[Any, Any])
        return {_build(arguments[0], key): _build(arguments[1], found[key]) for key in found}
    if origin is tuple:
        return tuple([_build(arguments[0], one) for one in convert(value, list[Any])])
    if is_record(kind):
        values = convert(value, list[Any])
        hints = read_hints(kind)
        required = len(hints) - len(kind.__struct_defaults__)
        if len(values) < required or (len(values) > len(hints) and not is_loose(kind)):
            raise ValidationError("another number of fields")
        return kind(*map(_build, hints.values(), values))  # only the known ones
    return convert(value, kind, builtin_types=(bytes,))
