"""Messages: Structs that travel as MessagePack arrays of their fields, in order.

While msgspec decodes what arrives, it checks types and bounds before it builds anything that does
not fit, so that a malformed message is one ProtocolError or BoundsError and never a surprise
further in.
"""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal, TypeVar, cast, dataclass_transform

from msgspec import DecodeError, Struct, ValidationError, convert, field, to_builtins
from msgspec.msgpack import decode as decode_msgpack

from headrace_wire.bounds import read_hints
from headrace_wire.detached import attach, detach
from headrace_wire.encoding import unpack
from headrace_wire.errors import ProtocolError
from headrace_wire.refusal import explain_refusal

T = TypeVar("T")

Packed = bytes | bytearray | memoryview

#: What msgspec raises for bytes that are no value of a type: text may not be UTF-8, and lists may
#: be too deep in each other.
REFUSALS = (DecodeError, UnicodeDecodeError, RecursionError)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Message(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of every record that crosses the wire."""


def dump(value: object) -> Any:
    """A message, or what has messages in it, as lists and plain values."""
    return to_builtins(value, builtin_types=(bytes,))


def decode(kind: type[T], packed: Packed, payloads: memoryview | None = None) -> T:
    """Decode what a client or a worker sent. Raises ProtocolError and BoundsError.

    ``payloads`` are those that stand behind the message, if they do. Of the last fields those may
    be missing that have defaults.
    """
    expected: Any = kind if payloads is None else detach(cast("Any", kind))
    try:
        found = decode_msgpack(packed, type=expected)
    except REFUSALS:
        raise explain_refusal(expected, packed) from None
    return _complete(kind, found, payloads)


def decode_trusted(kind: type[T], packed: Packed, payloads: memoryview | None = None) -> T:
    """Decode what the coordinator sent or stored, as ``decode`` does. Raises ProtocolError.

    An earlier version may have stored what is not within today's bounds, and text that is no UTF-8.
    """
    expected: Any = kind if payloads is None else detach(cast("Any", kind))
    try:
        found = decode_msgpack(packed, type=expected)
    except REFUSALS:
        try:
            found = _build(expected, unpack(packed))
        except (ValueError, RecursionError):
            raise ProtocolError(f"a malformed {kind.__name__} arrived") from None
    return _complete(kind, found, payloads)


def _complete(kind: type[T], found: Any, payloads: memoryview | None) -> T:
    if payloads is None:
        return cast("T", found)
    try:
        return cast("T", attach(kind, found, payloads))
    except ValueError as error:
        raise ProtocolError(f"a malformed {kind.__name__} arrived: {error}") from None


def _build(hint: Any, value: Any) -> Any:
    """A value of a type from plain values, without a look at its bounds. Raises ValidationError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _build(arguments[0], value)
    if origin is Literal:
        return convert(value, str)
    if origin in (types.UnionType, typing.Union):
        (inner,) = [one for one in arguments if one is not type(None)]
        return None if value is None else _build(inner, value)
    if origin is dict:
        found = convert(value, dict[Any, Any])
        return {_build(arguments[0], key): _build(arguments[1], found[key]) for key in found}
    if origin is tuple:
        return tuple([_build(arguments[0], one) for one in convert(value, list[Any])])
    if isinstance(hint, type) and issubclass(hint, Struct):
        values = convert(value, list[Any])
        hints = read_hints(hint)
        required = len(hints) - len(hint.__struct_defaults__)
        if not required <= len(values) <= len(hints):
            raise ValidationError("another number of fields")
        kind: Any = hint
        return kind(*map(_build, hints.values(), values))
    return convert(value, cast("Any", hint), builtin_types=(bytes,))
