"""Messages: records that travel as msgpack arrays of their fields, in order.

What arrives is checked against the field types before anything looks at it, so that a malformed
message is one ProtocolError and never a surprise further in. What arrives from clients and workers
is checked against the fields' bounds, too: see ``headrace_wire.bounds``.
"""

from __future__ import annotations

import math
import sys
import types
import typing
from collections.abc import Callable, Iterable, Sized
from functools import cache
from typing import Annotated, Any, Self, cast

from headrace_wire.bounds import (
    Meta,
    describe,
    find_pattern,
    find_range,
    quote,
    read_hints,
)
from headrace_wire.errors import BoundsError, HeadraceError, ProtocolError
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
        """Build from what was within its bounds when it was sent or stored.

        Raises ProtocolError where it does not fit the fields. Of the last fields those may be
        missing that have defaults.
        """
        return cast("Self", _load_message(cls, False)(values))

    @classmethod
    def from_peer(cls, values: object) -> Self:
        """Build from what a client or a worker sent.

        Raises ProtocolError as ``from_wire`` does, and BoundsError.
        """
        return cast("Self", _load_message(cls, True)(values))


def name_culprit(
    names: Iterable[str], loaders: Iterable[Converter], values: Iterable[object]
) -> None:
    """Raise BoundsError with the name of the value that is not within its bounds."""
    for name, load, value in zip(names, loaders, values, strict=False):
        try:
            load(value)
        except BoundsError as error:
            if error.message.startswith(MUST_BE):
                raise BoundsError(f"{name} {error.message}") from None
            raise


#: How the message of a value begins that is not named yet.
MUST_BE = "must be "


@cache
def _dumpers(cls: Any) -> tuple[tuple[str, Converter], ...]:
    return tuple((name, dumper_of(hint)) for name, hint in read_hints(cls).items())


@cache
def _load_message(kind: Any, bounded: bool) -> Converter:
    names = kind.__fields__
    loaders = tuple(loader_of(hint, bounded=bounded) for hint in read_hints(kind).values())
    required, most = len(names) - len(kind.__defaults__), len(names)

    def load(values: Any) -> Any:
        if not isinstance(values, list):
            raise ProtocolError(f"a malformed {kind.__name__} arrived")
        found = cast("list[object]", values)
        if not required <= len(found) <= most:
            raise ProtocolError(f"a malformed {kind.__name__} arrived")
        try:
            return kind(*[load(value) for load, value in zip(loaders, found, strict=False)])
        except HeadraceError:
            name_culprit(names, loaders, found)
            raise

    return load


@cache
def dumper_of(hint: Any) -> Converter:
    """Find how a value of this type is turned into what msgpack carries."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return dumper_of(arguments[0])
    if isinstance(hint, type) and issubclass(hint, Message):
        return Message.to_wire
    if origin in (types.UnionType, typing.Union):
        inner = [dumper_of(argument) for argument in arguments if argument is not type(None)]
        dump = inner[0]
        return lambda value: None if value is None else dump(value)
    if origin is tuple:
        dump_item = dumper_of(arguments[0])
        return list if dump_item is _identity else lambda values: [*map(dump_item, values)]
    return _identity


@cache
def loader_of(hint: Any, *, bounded: bool = True) -> Converter:
    """Find how a value of this type is checked and rebuilt.

    It raises ProtocolError, and where it is ``bounded`` BoundsError.
    """
    meta = NO_BOUNDS
    if typing.get_origin(hint) is Annotated:
        hint, *metas = typing.get_args(hint)
        if bounded:
            (meta,) = metas
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None or hint is type(None):
        return _load_none
    if isinstance(hint, type) and issubclass(hint, Message):
        return _load_message(hint, bounded)
    if origin in (types.UnionType, typing.Union):
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        load = loader_of(inner, bounded=bounded)
        return lambda value: None if value is None else load(value)
    if origin is tuple:
        return _tuple_loader(loader_of(arguments[0], bounded=bounded), meta)
    if origin is dict:
        load_key, load_item = (loader_of(one, bounded=bounded) for one in arguments)
        return _dict_loader(load_key, load_item, meta)
    if hint is float:
        return _float_loader(meta, finite=bounded)
    if hint is int:
        return _int_loader(meta)
    if hint in (str, bytes):
        return _text_loader(hint, meta)
    return _plain_loader(cast("type[Any]", hint))


#: Stands for what has no bounds.
NO_BOUNDS = Meta()


def _identity(value: Any) -> Any:
    return value


def _load_none(value: Any) -> None:
    if value is not None:
        raise ProtocolError("a value arrived where none was expected")


def _refuse(meta: Meta, kind: Any, value: object) -> BoundsError:
    return BoundsError(f"{MUST_BE}{describe(meta, kind)}, not {quote(value)}")


def _float_loader(meta: Meta, *, finite: bool) -> Converter:
    low, high = find_range(meta)
    if finite:
        low, high = max(low, -sys.float_info.max), min(high, sys.float_info.max)

    def load(value: Any) -> float:
        if type(value) is float:
            number = value
        elif type(value) is int:
            number = float(value)
        else:
            name = type(value).__name__
            raise ProtocolError(f"{name} arrived where a number was expected")
        if not low <= number <= high and (finite or not math.isnan(number)):
            raise _refuse(meta, float, number)
        return number

    return load


def _int_loader(meta: Meta) -> Converter:
    low, high = find_range(meta)

    def load(value: Any) -> int:
        if type(value) is not int:
            raise ProtocolError(f"{type(value).__name__} arrived where int was expected")
        if not low <= value <= high:
            raise _refuse(meta, int, value)
        return value

    return load


def _text_loader(kind: type[Any], meta: Meta) -> Converter:
    low, high = meta.min_length or 0, sys.maxsize if meta.max_length is None else meta.max_length
    search = find_pattern(meta.pattern).search if meta.pattern else None

    def load(value: Any) -> Any:
        if type(value) is not kind:
            name = type(value).__name__
            raise ProtocolError(f"{name} arrived where {kind.__name__} was expected")
        if not low <= len(value) <= high or (search and not search(value)):
            raise _refuse(meta, kind, value)
        return value

    return load


def _plain_loader(kind: type[Any]) -> Converter:
    def load(value: Any) -> Any:
        if type(value) is not kind:
            name = type(value).__name__
            raise ProtocolError(f"{name} arrived where {kind.__name__} was expected")
        return value

    return load


def _tuple_loader(load_item: Converter, meta: Meta) -> Converter:
    def load(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list):
            raise ProtocolError(f"{type(values).__name__} arrived where a list was expected")
        _check_length(meta, tuple, cast("list[object]", values))
        return tuple([load_item(value) for value in cast("list[object]", values)])

    return load


def _dict_loader(load_key: Converter, load_item: Converter, meta: Meta) -> Converter:
    def load(values: Any) -> dict[Any, Any]:
        if not isinstance(values, dict):
            raise ProtocolError(f"{type(values).__name__} arrived where a map was expected")
        found = cast("dict[object, object]", values)
        _check_length(meta, dict, found)
        return {load_key(key): load_item(value) for key, value in found.items()}

    return load


def _check_length(meta: Meta, kind: type, values: Sized) -> None:
    if meta.max_length is not None and len(values) > meta.max_length:
        raise _refuse(meta, kind, values)
