"""Messages as JSON: objects with the names of the fields, where the wire has arrays in order.

Each message has a JSON model, a Struct of the same name and fields with the same bounds. Fields
that contain bytes are left out, because the coordinator does not know what is in them.
"""

from __future__ import annotations

from functools import cache
from types import GenericAlias
from typing import Annotated, Any, cast, get_args, get_origin

from msgspec import NODEFAULT, Struct, defstruct, field
from msgspec.structs import FieldInfo
from msgspec.structs import fields as list_fields

from headrace_wire.bounds import is_record, read_hints, split_hint


@cache
def make_model(kind: type[Struct]) -> type[Struct]:
    """Return the JSON model of a message."""
    hints = read_hints(kind)
    return defstruct(
        kind.__name__,
        [
            (one.name, translate(hints[one.name]), _find_default(one))
            for one in list_fields(kind)
            if not _is_opaque(hints[one.name])
        ],
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        namespace={"__doc__": kind.__doc__},
    )


@cache
def translate(hint: Any) -> Any:
    """Return a type in which models replace messages."""
    kind, meta, is_optional = split_hint(hint)
    if is_record(kind):
        kind = make_model(kind)
    elif get_origin(kind) is tuple:
        kind = GenericAlias(tuple, (translate(get_args(kind)[0]), ...))
    else:
        return hint
    found: Any = Annotated[kind, meta] if meta else kind
    return found | None if is_optional else found


def to_model(value: Any) -> Any:
    """Return the JSON form of a message, or of a value that contains messages."""
    if isinstance(value, Struct):
        make, plan = _plan(type(value))
        return make(
            **{
                name: to_model(getattr(value, name)) if is_deep else getattr(value, name)
                for name, is_deep in plan
            }
        )
    if isinstance(value, tuple):
        return [to_model(one) for one in cast("tuple[object, ...]", value)]
    return value


@cache
def _plan(kind: type[Struct]) -> tuple[type[Struct], list[tuple[str, bool]]]:
    """Return the JSON model of a message, and which of its fields may contain messages."""
    model, hints = make_model(kind), read_hints(kind)
    return model, [
        (one, translate(hints[one]) is not hints[one]) for one in model.__struct_fields__
    ]


def _is_opaque(hint: Any) -> bool:
    kind, _, _ = split_hint(hint)
    return kind is bytes or (get_origin(kind) is tuple and _is_opaque(get_args(kind)[0]))


def _find_default(one: FieldInfo) -> Any:
    if one.default_factory is not NODEFAULT:
        return field(default_factory=one.default_factory)
    return one.default
