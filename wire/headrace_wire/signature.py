"""How a method's arguments and answer cross the wire, from its type hints."""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any

from headrace_wire.errors import HeadraceError, ProtocolError
from headrace_wire.message import Converter, dumper_of, loader_of, name_culprit
from headrace_wire.record import Record


class Signature(Record):
    """Converters of one method, for both sides."""

    names: tuple[str, ...]
    required: int
    dump_arguments: tuple[Converter, ...]
    load_arguments: tuple[Converter, ...]
    dump_answer: Converter
    load_answer: Converter

    def pack_arguments(self, arguments: tuple[Any, ...]) -> list[Any]:
        """Turn arguments into what msgpack carries (caller's side)."""
        if not self.required <= len(arguments) <= len(self.dump_arguments):
            raise TypeError(f"a call needs {self.required} arguments, not {len(arguments)}")
        return [dump(value) for dump, value in zip(self.dump_arguments, arguments, strict=False)]

    def unpack_arguments(self, arguments: list[Any]) -> list[Any]:
        """Check and rebuild arguments (server's side). Raises ProtocolError and BoundsError.

        Of the last ones those may be missing that have defaults.
        """
        if not self.required <= len(arguments) <= len(self.load_arguments):
            raise ProtocolError("a call with the wrong number of arguments arrived")
        try:
            return [
                load(value) for load, value in zip(self.load_arguments, arguments, strict=False)
            ]
        except HeadraceError:
            name_culprit(self.names, self.load_arguments, arguments)
            raise


@cache
def read_signatures(api: type) -> dict[str, Signature]:
    """Signatures of all public methods of an API class, by method name."""
    signatures: dict[str, Signature] = {}
    for name in dir(api):
        function = getattr(api, name)
        if name.startswith("_") or not isinstance(function, types.FunctionType):
            continue
        hints = typing.get_type_hints(function, include_extras=True)
        answer = hints.pop("return")
        signatures[name] = Signature(
            names=tuple(hints),
            required=len(hints) - len(function.__defaults__ or ()),
            dump_arguments=tuple(dumper_of(hint) for hint in hints.values()),
            load_arguments=tuple(loader_of(hint) for hint in hints.values()),
            dump_answer=dumper_of(answer),
            load_answer=loader_of(answer, bounded=False),
        )
    return signatures
