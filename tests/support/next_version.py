"""Stand-ins of other minor versions: messages with more fields, and the versions around."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any

from msgspec import NODEFAULT, Struct, defstruct, field
from msgspec.structs import fields as list_fields

from headrace_wire.bounds import read_hints, split_hint
from headrace_wire.version import VERSION
from support.places import REPOSITORY

#: On PYTHONPATH it makes a process one of the next version.
NEXT_SITE = REPOSITORY / "tests" / "support" / "next_site"

_major, _minor = map(int, VERSION.split(".")[:2])

#: The versions one and two minor numbers away, with which this one works together and does not.
NEXT, AFTER_NEXT = f"{_major}.{_minor + 1}.0", f"{_major}.{_minor + 2}.7"
BEFORE = f"{_major}.{_minor - 1}.3"


@cache
def grow_kind(kind: type[Struct]) -> type[Struct]:
    """A message's class as a later version may have it: with two more fields at its end."""
    old = [
        (
            one.name,
            Any,
            field(default_factory=one.default_factory)
            if one.default_factory is not NODEFAULT
            else one.default,
        )
        for one in list_fields(kind)
    ]
    new: list[Any] = [("added", str, "later"), ("more", Any, field(default_factory=dict[str, int]))]
    return defstruct(kind.__name__, [*old, *new], bases=(kind,))


def grow(hint: Any, value: Any) -> Any:
    """A value as a later version would send it: every message in it has more fields."""
    kind, _, _ = split_hint(hint)
    arguments = typing.get_args(kind)
    if isinstance(value, Struct):
        hints = read_hints(kind).items()
        return grow_kind(kind)(*[grow(one, getattr(value, name)) for name, one in hints])
    if isinstance(value, tuple):
        return tuple([grow(arguments[0], one) for one in value])
    if isinstance(value, dict):
        return {key: grow(arguments[1], one) for key, one in value.items()}
    return value
