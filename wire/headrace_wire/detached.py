"""Messages without their payloads: the same fields, with a length in place of each.

    JobSpec(…, parameters=b"…")  ◄─►  a structure with parameters=4000000, and 4,000,000 bytes

What a frame has behind its structure is decoded so; see ``headrace_wire.payloads``. Every field of
type ``bytes`` is a payload.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Annotated, Any

from msgspec import NODEFAULT, Meta, Struct, defstruct, field
from msgspec.structs import FieldInfo
from msgspec.structs import fields as list_fields

from headrace_wire.bounds import describe, read_hints, split_hint


@cache
def list_carriers(kind: type[Struct]) -> tuple[str, ...]:
    """The fields of a message that may hold payloads."""
    return tuple(name for name, hint in read_hints(kind).items() if may_carry(hint))


@cache
def may_carry(hint: Any) -> bool:
    """Whether there may be payloads in a value of a type."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return bool(list_carriers(hint))
    return hint is bytes or any(map(may_carry, typing.get_args(hint)))


@cache
def detach(hint: Any) -> Any:
    """The type with lengths in place of the payloads."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if not may_carry(hint):
        return hint
    if hint is bytes:
        return int
    if origin is Annotated:
        inner, meta = arguments
        if inner is bytes:
            meta = Meta(ge=0, le=meta.max_length, description=describe(meta, bytes))
        return Annotated[detach(inner), meta]
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(map(detach, arguments))]  # noqa: UP007 - made at run time
    if origin is tuple:
        return types.GenericAlias(tuple, (detach(arguments[0]), ...))
    hints = read_hints(hint)
    fields = [(one.name, detach(hints[one.name]), _find_default(one)) for one in list_fields(hint)]
    return defstruct(hint.__name__, fields, bases=(hint,))


def _find_default(one: FieldInfo) -> Any:
    if one.default_factory is not NODEFAULT:
        return field(default_factory=one.default_factory)
    return 0 if one.default == b"" else one.default


def attach(hint: Any, value: Any, payloads: memoryview) -> Any:
    """A value of a type, from one of its detached type and the payloads in their order.

    Raises ValueError where these are not as long as it says.
    """
    at = 0

    def rebuild(hint: Any, value: Any) -> Any:
        nonlocal at
        if value is None or not may_carry(hint):
            return value
        plain, _, _ = split_hint(hint)
        if plain is bytes:
            at += value
            return bytes(payloads[at - value : at])
        if isinstance(value, Struct):
            return plain(*[rebuild(one, getattr(value, n)) for n, one in read_hints(plain).items()])
        item = typing.get_args(plain)[0]
        return tuple([rebuild(item, one) for one in value])

    whole = rebuild(hint, value)
    if at != len(payloads):
        raise ValueError(f"{len(payloads)} bytes of payloads where {at} were expected")
    return whole
