"""The arguments and the answer of each method of an API as messages, made from its type hints."""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

from msgspec import NODEFAULT, Struct, defstruct

from headrace_wire.detached import may_carry
from headrace_wire.message import Message
from headrace_wire.roles import Role, is_audited, read_roles


class Signature(Struct, frozen=True):
    """How one method crosses the wire: its ``arguments`` are a message with one field each.

    ``answer`` is BaseManager's ``(kind, value)`` with a value as the method returns it. ``roles``
    are those that may call it, besides ``admin``; calls of an ``audited`` method are written to the
    audit log. ``answers_at_length`` means that the answer may contain payloads.
    """

    arguments: type[Struct]
    answer: type[Any]
    roles: frozenset[Role]
    audited: bool
    answers_at_length: bool


@cache
def read_signatures(api: type) -> dict[str, Signature]:
    """Return the signatures of all public methods of an API class, by method name."""
    signatures: dict[str, Signature] = {}
    for name, function in vars(api).items():
        if name.startswith("_"):
            continue
        hints = get_type_hints(function, include_extras=True)
        answer = hints.pop("return")
        defaults = function.__defaults__ or ()
        required = [NODEFAULT] * (len(hints) - len(defaults))
        arguments = zip(hints, hints.values(), [*required, *defaults], strict=True)
        signatures[name] = Signature(
            defstruct(name, arguments, bases=(Message,)),
            defstruct(name, [("kind", str), ("value", answer)], bases=(Message,)),
            read_roles(function),
            is_audited(function),
            may_carry(answer),
        )
    return signatures
