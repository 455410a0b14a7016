"""Messages without their payloads: they have the same fields, but a length instead of each payload.

    JobSpec(…, parameters=b"…")  ◄─►  a structure with parameters=4000000, and 4,000,000 bytes

This is how payloads behind the structure of a frame are decoded; see ``headrace_wire.payloads``.
Every field of type ``bytes`` is a payload.
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
    """Return the fields of a message that may contain payloads."""
    return tuple(name for name, hint in read_hints(kind).items() if may_carry(hint))


@cache
def may_carry(hint: Any) -> bool:
    """Return whether a value of a type may contain payloads."""
    if is_record(hint):
        return bool(list_carriers(hint))
    return hint is bytes or any(map(may_carry, get_args(hint)))


@cache
def detach(hint: Any) -> Any:
    """Return the type with lengths instead of payloads."""
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
    """Return a value of a type, from a value of its detached type and the payloads in order.

    Raises ValueError if the payloads are not as long as stated.
    """
    rest = [payloads]
    whole = _rebuild(hint, value, rest)
    if rest[0]:
        raise ValueError(f"{len(rest[0])} bytes of payloads more than were expected")
    return whole


# This is not a nested function, which would refer to itself and keep the payloads alive until the
# next garbage collection.
def _rebuild(hint: Any, value: Any, rest: list[memoryview]) -> Any:
    """Return the value, with payloads taken from the beginning of the only item of ``rest``."""
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
