"""The encoder, which msgpack calls for each value that it does not know itself."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, cast

import msgpack

from headrace_services.calls.marks import Builder, Mark, expect

# msgpack's functions have no types.
_msgpack: Any = cast("Any", msgpack)

#: Converts a value to a list that begins with a mark's sign.
Taker = Callable[[Any, "Encoder"], list[Any]]

#: Finds the taker for values of a class, or returns None.
Finder = Callable[[type], Taker | None]

#: Types that msgpack packs by itself, but must not, because they would arrive as something else.
MISTAKEN = frozenset({bytearray, memoryview, _msgpack.ExtType, _msgpack.Timestamp})

#: What to do about a value that cannot be sent; the caller may have better advice.
ADVICE = "use serializer='cloudpickle'"

#: Containers that ``find_mistaken`` examines; the encoder is called for all others.
CONTAINERS = frozenset({list, dict, tuple})

#: If there are this many containers on one level of nesting, each is examined only once.
_MANY = 1000

#: The deepest nesting that is examined; msgpack does not pack deeper.
_DEEPEST = 1100


class UntravelableError(TypeError):
    """A value that cannot be sent, and why. The caller finds its place."""

    def __init__(self, culprit: object, reason: str = "") -> None:
        super().__init__(reason)
        self.culprit = culprit
        self.reason = reason


class Encoder:
    """Packs one value.

    ``buffers`` are the arrays in it, which follow it; ``taken`` counts the marks that it needed;
    ``compiled`` is how much work it is to compile its regular expressions, in characters.
    """

    __slots__ = ("_found", "buffers", "compiled", "taken")

    def __init__(self) -> None:
        self.buffers: list[memoryview | bytes] = []
        self.compiled = 0
        self.taken = 0
        self._found: dict[type, Taker] | None = None

    def take(self, value: Any) -> list[Any]:
        """Convert a value to what msgpack knows. Raises UntravelableError if there is no way."""
        self.taken += 1
        kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType] - of Any
        if kind is tuple:
            return [_TUPLE_SIGN, *value]
        taker = TAKERS.get(kind) or self._find(value, kind)
        return taker(value, self)

    def _find(self, value: object, kind: type) -> Taker:
        # Kept only while this value is packed, because the class is the user's own and may be
        # freed.
        if self._found is None:
            self._found = {}
        if kind in self._found:
            return self._found[kind]
        for find in FINDERS:
            taker = find(kind)
            if taker is not None:
                self._found[kind] = taker
                return taker
        raise UntravelableError(value)


#: The takers of values of exactly these classes.
TAKERS: dict[type, Taker] = {}

#: Called one after the other for other classes.
FINDERS: list[Finder] = []


def find_mistaken(value: object) -> bool:
    """Return whether plain containers contain anything that msgpack would pack as something else.

    The types on each level of nesting are collected, which takes as long as packing does.
    """
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        kinds = set(map(type, level))
        if kinds & MISTAKEN:
            return True
        if not kinds & CONTAINERS:
            return False
        if kinds - CONTAINERS:
            level = [item for item in level if type(item) in CONTAINERS]
        if len(level) > _MANY:
            level = list({id(item): item for item in level}.values())
        level = gc.get_referents(*level)
    return False


def unmistake(value: Any) -> Any:
    """Copy plain containers, so that msgpack asks the encoder about values that it would mistake.

    Raises RecursionError for a cycle.
    """
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType] - of Any
    if kind in MISTAKEN:
        return Asked(value)
    if kind is list:
        return [unmistake(item) for item in value]
    if kind is tuple:
        return tuple([unmistake(item) for item in value])
    if kind is dict:
        return {unmistake(key): unmistake(item) for key, item in value.items()}
    return value


class Asked:
    """Wraps a value that msgpack would pack without asking the encoder."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def secure(values: list[Any]) -> list[Any]:
    """Make the attributes of an object safe to pass to msgpack."""
    return unmistake(values) if find_mistaken(values) else values


def make_taker(code: int, dump: Callable[[Any], list[Any]], build: Builder) -> Taker:
    """Register the mark of a kind of values: ``dump`` converts a value to items, ``build`` the
    reverse.
    """
    sign = Mark(code, build).sign
    return lambda value, _: [sign, *dump(value)]


def by_items(load: Callable[[list[Any]], Any]) -> Builder:
    """Make a builder of a function that only needs the items."""
    return lambda items, _: load(items)


def _take_asked(asked: Asked, encoder: Encoder) -> list[Any]:
    del encoder
    if type(asked.value) is bytearray:
        return [BYTEARRAY.sign, bytes(asked.value)]
    reason = "pass bytes(...) of it" if type(asked.value) is memoryview else ""
    raise UntravelableError(asked.value, reason)


TUPLE = Mark(1, lambda items, _: tuple(items))
BYTEARRAY = Mark(2, lambda items, _: bytearray(expect(items, bytes)[0]))
_TUPLE_SIGN = TUPLE.sign
TAKERS[Asked] = _take_asked
