"""Messages of a newer minor version, which may have more fields than are known here.

    packed ─► loosen(JobSpec): fields beyond the known ones are skipped ─► tighten() ─► JobSpec

Everything that is known is checked as usual.
"""

from __future__ import annotations

from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Literal, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct, defstruct, field
from msgspec.structs import FieldInfo
from msgspec.structs import fields as list_fields

from headrace_wire.bounds import MAX_IDENTIFIER_CHARACTERS, is_record, read_hints, split_hint

#: The replacement for an unknown word of a field, if there is one, by the type of the field.
STAND_INS: dict[Any, str] = {}


@cache
def loosen(hint: Any) -> Any:
    """Return the type with room for more fields in its messages; the type itself if it has none."""
    kind, meta, is_optional = split_hint(hint)
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in STAND_INS:
        loose: Any = Annotated[str, Meta(max_length=MAX_IDENTIFIER_CHARACTERS)]
    elif origin is tuple:
        loose = GenericAlias(tuple, (loosen(arguments[0]), ...))
    elif origin is dict:
        loose = GenericAlias(dict, (arguments[0], loosen(arguments[1])))
    elif is_record(kind):
        hints = read_hints(kind)
        fields = [
            (one.name, loosen(hints[one.name]), _find_default(one)) for one in list_fields(kind)
        ]
        loose = defstruct(kind.__name__, fields, bases=(kind,), forbid_unknown_fields=False)
    else:
        return hint
    if loose == kind:
        return hint
    loose = Annotated[loose, meta] if meta else loose
    return loose | None if is_optional else loose


def tighten(hint: Any, value: Any) -> Any:
    """Return a value of a type, from one of its loosened type."""
    if value is None or loosen(hint) == hint:  # it may be one of several equal types
        return value
    kind, _, _ = split_hint(hint)
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return value if value in arguments else STAND_INS[kind]
    if isinstance(value, Struct):
        hints = read_hints(kind).items()
        return kind(*[tighten(one, getattr(value, name)) for name, one in hints])
    if get_origin(kind) is dict:
        return {key: tighten(arguments[1], one) for key, one in value.items()}
    return tuple([tighten(arguments[0], one) for one in value])


def is_loose(kind: type[Struct]) -> bool:
    """Return whether a message may have more fields than are known here."""
    return not kind.__struct_config__.forbid_unknown_fields


def _find_default(one: FieldInfo) -> Any:
    has_factory = one.default_factory is not NODEFAULT
    return field(default_factory=one.default_factory) if has_factory else one.default
