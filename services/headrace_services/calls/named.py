"""Names of classes and functions, ``module:qualname``, looked up without running anything."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import MemberDescriptorType, ModuleType
from typing import Any

#: Returned if nothing was found, because a module may contain None.
MISSING: Any = object()

#: The attribute of what a class with type parameters makes, as in ``Counter[str]()``. It has no
#: effect.
FOR_TYPING = "__orig_class__"

#: How many characters of a name from elsewhere are shown.
SHOWN_CHARACTERS = 200


def name_object(thing: Any) -> str:
    """Return the name that a class or function has in its module."""
    return f"{thing.__module__}:{thing.__qualname__}"


def list_fields(kind: Any) -> list[str]:
    """Return the names of a dataclass's fields."""
    from dataclasses import fields  # noqa: PLC0415 - only needed where it is imported already

    return [field.name for field in fields(kind)]


def list_other_attributes(value: Any, known: frozenset[str]) -> dict[str, Any]:
    """Return the attributes of an object, also those in slots, except for the known ones."""
    found = {name: part for name, part in getattr(value, "__dict__", {}).items()
             if name not in known and name != FOR_TYPING}  # fmt: skip
    for kind in type(value).__mro__:
        for name, member in vars(kind).items():
            if type(member) is MemberDescriptorType and name not in known and name not in found:
                with suppress(AttributeError):  # it has none
                    found[name] = member.__get__(value)
    return found


def set_other_attributes(value: Any, attributes: dict[str, Any]) -> None:
    """Set attributes of an object without running its class's own code."""
    for name, part in attributes.items():
        member = next(
            (vars(kind)[name] for kind in type(value).__mro__ if name in vars(kind)), None
        )
        if type(member) is MemberDescriptorType:
            member.__set__(value, part)
        else:
            object.__getattribute__(value, "__dict__")[name] = part


def split_name(name: str) -> tuple[str, str]:
    """Split a name into module and qualified name. Raises ValueError for another form."""
    module, colon, qualname = name.partition(":")
    parts = [*module.split("."), *qualname.split(".")]
    if not colon or not all(map(str.isidentifier, parts)):
        raise ValueError(f"{name[:SHOWN_CHARACTERS]!r} is not of the form 'module:name'")
    return module, qualname


def find_loaded(module: str, qualname: str) -> Any:
    """Find what a name refers to in a module that is already loaded; MISSING if there is nothing.

    This only reads dictionaries: the ``__getattr__`` of a module or class is not called, and a lazy
    module is not loaded.
    """
    found: Any = sys.modules.get(module, MISSING)
    for part in qualname.split("."):
        found = _read_namespace(found).get(part, MISSING)
    return found


def _read_namespace(holder: Any) -> Any:
    if isinstance(holder, ModuleType):
        return object.__getattribute__(holder, "__dict__")
    if isinstance(holder, type):
        return type.__getattribute__(holder, "__dict__")
    return {}
