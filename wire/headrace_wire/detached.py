"""Messages without their payloads: the same fields, with a length in place of each.

    JobSpec(…, parameters=b"…")  ◄─►  a structure with parameters=4000000, and 4,000,000 bytes

What a frame has behind its structure is decoded so; see ``headrace_wire.payloads``. Every field of
type ``bytes`` is a payload.
"""

from __future__ import annotations

from functools import cache
from types import GenericAlias
from typing import Annotated, Any, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct, defstruct, field
from msgspec.structs import FieldInfo
from msgspec.structs import fields as list_fields

from headrace_wire.bounds import describe, is_record, read_hints, split_hint


@cache
def list_carriers(kind: type[Struct]) -> tuple[str, ...]:
    """The fields of a message that may hold payloads."""
    return tuple(name for name, hint in read_hints(kind).items() if may_carry(hint))


@cache
def may_carry(hint: Any) -> bool:
    """Whether there may be payloads in a value of a type."""
    if is_record(hint):
        return bool(list_carriers(hint))
    return hint is bytes or any(map(may_carry, get_args(hint)))


@cache
def detach(hint: Any) -> Any:
    """The type with lengths in place of the payloads."""
    if not may_carry(hint):
        return hint
    kind, meta, is_optional = split_hint(hint)
    if kind is bytes:
        kind = int
        meta = meta and Meta(ge=0, le=meta.max_length, description=describe(meta, bytes))
    elif get_origin(kind) is tuple:
        kind = GenericAlias(tuple, (detach(get_args(kind)[0]), ...))
    else:
        hints = read_hints(kind)
        fields = [
            (one.name, detach(hints[one.name]), _find_default(one)) for one in list_fields(kind)
        ]
        kind = defstruct(kind.__name__, fields, bases=(kind,))
    detached: Any = Annotated[kind, meta] if meta else kind
    return detached | None if is_optional else detached


def _find_default(one: FieldInfo) -> Any:
    if one.default_factory is not NODEFAULT:
        return field(default_factory=one.default_factory)
    return 0 if one.default == b"" else one.default


def attach(hint: Any, value: Any, payloads: memoryview) -> Any:
    """A value of a type, from one of its detached type and the payloads in their order.

    Raises ValueError where these are not as long as it says.
    """
    rest = [payloads]
    whole = _rebuild(hint, value, rest)
    if rest[0]:
        raise ValueError(f"{len(rest[0])} bytes of payloads more than were expected")
    return whole


# Not a function within the one above: that would refer to itself, and keep the payloads until the
# garbage collector comes.
def _rebuild(hint: Any, value: Any, rest: list[memoryview]) -> Any:
    """The value, with payloads taken from the beginning of the ``rest``, of which there is one."""
    if value is None or not may_carry(hint):
        return value
    plain, _, _ = split_hint(hint)
    if plain is bytes:
        payload, rest[0] = bytes(rest[0][:value]), rest[0][value:]
        if len(payload) < value:
            raise ValueError(f"{value - len(payload)} bytes of payloads are missing")
        return payload
    if isinstance(value, Struct):
        hints = read_hints(plain).items()
        return plain(*[_rebuild(one, getattr(value, name), rest) for name, one in hints])
    item = get_args(plain)[0]
    return tuple([_rebuild(item, one, rest) for one in value])
