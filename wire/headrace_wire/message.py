"""Messages: records that travel as msgpack arrays of their fields, in order.

What arrives is checked against the field types before anything looks at it, so that a malformed
message is one ProtocolError and never a surprise further in.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from functools import cache
from typing import Any, Self, cast

from headrace_wire.errors import ProtocolError
from headrace_wire.record import Record

#: Turns a value into what msgpack carries, or what it carried into a checked value.
Converter = Callable[[Any], Any]


class Message(Record):
    """Base of every record that crosses the wire."""

    def to_wire(self) -> list[Any]:
        """The fields in order, with messages inside turned into lists too."""
        return [dump(getattr(self, name)) for name, dump in _dumpers(cast("Any", type(self)))]

    @classmethod
    def from_wire(cls, values: object) -> Self:
        """Build from what arrived. Raises ProtocolError where it does not fit the fields."""
        loaders = _loaders(cast("Any", cls))
        if not isinstance(values, list):
            raise ProtocolError(f"a malformed {cls.__name__} arrived")
        found = cast("list[object]", values)
        if len(found) != len(loaders):
            raise ProtocolError(f"a malformed {cls.__name__} arrived")
        return cls(*[load(value) for load, value in zip(loaders, found, strict=True)])


@cache
def _dumpers(cls: Any) -> tuple[tuple[str, Converter], ...]:
    return tuple((name, dumper_of(hint)) for name, hint in _list_hints(cls))


@cache
def _loaders(cls: Any) -> tuple[Converter, ...]:
    return tuple(loader_of(hint) for _, hint in _list_hints(cls))


@cache
def _list_hints(cls: Any) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((name, hints[name]) for name in cls.__fields__)


@cache
def dumper_of(hint: Any) -> Converter:
    """Find how a value of this type is turned into what msgpack carries."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Message):
        return Message.to_wire
    if origin in (types.UnionType, typing.Union):
        inner = [dumper_of(argument) for argument in arguments if argument is not type(None)]
        dump = inner[0]
        return lambda value: None if value is None else dump(value)
    if origin is tuple:
        dump_item = dumper_of(arguments[0])
        return lambda values: [dump_item(value) for value in values]
    return _identity


@cache
def loader_of(hint: Any) -> Converter:
    """Find how a value of this type is checked and rebuilt; it raises ProtocolError."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is type(None):
        return _load_none
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint.from_wire
    if origin in (types.UnionType, typing.Union):
        load = next(loader_of(argument) for argument in arguments if argument is not type(None))
        return lambda value: None if value is None else load(value)
    if origin is tuple:
        return _tuple_loader(loader_of(arguments[0]))
    if origin is dict:
        return _dict_loader(*map(loader_of, arguments))
    if hint is float:
        return _load_float
    return _plain_loader(cast("type[Any]", hint))


def _identity(value: Any) -> Any:
    return value


def _load_none(value: Any) -> None:
    if value is not None:
        raise ProtocolError("a value arrived where none was expected")


def _load_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ProtocolError(f"{type(value).__name__} arrived where a number was expected")
    return float(value)


def _plain_loader(kind: type[Any]) -> Converter:
    def load(value: Any) -> Any:
        if type(value) is not kind:
            name = type(value).__name__
            raise ProtocolError(f"{name} arrived where {kind.__name__} was expected")
        return value

    return load


def _tuple_loader(load_item: Converter) -> Converter:
    def load(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list):
            raise ProtocolError(f"{type(values).__name__} arrived where a list was expected")
        return tuple([load_item(value) for value in cast("list[object]", values)])

    return load


def _dict_loader(load_key: Converter, load_item: Converter) -> Converter:
    def load(values: Any) -> dict[Any, Any]:
        if not isinstance(values, dict):
            raise ProtocolError(f"{type(values).__name__} arrived where a map was expected")
        found = cast("dict[object, object]", values)
        return {load_key(key): load_item(value) for key, value in found.items()}

    return load
