"""Containers and partial functions of the standard library: Counter, deque, partial and the like.

A function among them travels by its name. A worker finds it among what is allowed there; a client
among the packages whose functions it calls itself: a value that came from elsewhere must not bring
it to run something else.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace_services.calls.encoder import TAKERS, Encoder, UntravelableError, secure
from headrace_services.calls.functions import name_function
from headrace_services.calls.marks import Mark, expect
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from headrace_services.calls.building import Building


def _refuse_attributes(value: object) -> None:
    others = value.__dict__
    if others:
        names = ", ".join(map(repr, others))
        raise UntravelableError(value, f"it has attributes of its own: {names}")


def _name(owner: object, function: Any, what: str) -> str:
    try:
        return name_function(function)
    except UsageError as error:
        raise UntravelableError(owner, f"{what}: {error}") from None


def _take_counter(counter: Counter[Any], encoder: Encoder) -> list[Any]:
    del encoder
    _refuse_attributes(counter)
    return [_COUNTER.sign, *secure([dict(counter)])]


def _build_counter(items: list[Any], building: Building) -> Counter[Any]:
    del building
    made: Counter[Any] = Counter()
    # Not by ``update``, which adds up.
    dict[Any, Any].update(made, expect(items, dict)[0])
    return made


def _take_ordered(ordered: OrderedDict[Any, Any], encoder: Encoder) -> list[Any]:
    del encoder
    _refuse_attributes(ordered)
    return [_ORDERED.sign, *secure([dict(ordered)])]


def _build_ordered(items: list[Any], building: Building) -> OrderedDict[Any, Any]:
    del building
    return OrderedDict(expect(items, dict)[0])


def _take_default(default: defaultdict[Any, Any], encoder: Encoder) -> list[Any]:
    del encoder
    factory: Any = default.default_factory
    name = None if factory is None else _name(default, factory, "its default_factory")
    return [_DEFAULT.sign, name, *secure([dict(default)])]


def _build_default(items: list[Any], building: Building) -> Any:
    name, pairs = expect(items, (str, type(None)), dict)
    return building.classes.make_default(name, pairs)


def _take_deque(items: deque[Any], encoder: Encoder) -> list[Any]:
    del encoder
    return [_DEQUE.sign, items.maxlen, *secure(list(items))]


def _build_deque(items: list[Any], building: Building) -> deque[Any]:
    del building
    length, *rest = items
    expect([length], (int, type(None)))
    return deque(rest, length)


def _take_fraction(fraction: Fraction, encoder: Encoder) -> list[Any]:
    del encoder
    return [_FRACTION.sign, fraction.numerator, fraction.denominator]


def _build_fraction(items: list[Any], building: Building) -> Fraction:
    del building
    return Fraction(*expect(items, int, int))


def _take_partial(part: partial[Any], encoder: Encoder) -> list[Any]:
    del encoder
    _refuse_attributes(part)
    name = _name(part, part.func, "its function")
    return [_PARTIAL.sign, name, *secure([list(part.args), part.keywords])]


def _build_partial(items: list[Any], building: Building) -> Any:
    name, args, kwds = expect(items, str, list, dict)
    return building.classes.make_partial(name, args, kwds)


_COUNTER = Mark(20, _build_counter)
_ORDERED = Mark(21, _build_ordered)
_DEFAULT = Mark(22, _build_default)
_DEQUE = Mark(23, _build_deque)
_FRACTION = Mark(24, _build_fraction)
_PARTIAL = Mark(25, _build_partial)
TAKERS[Counter] = _take_counter
TAKERS[OrderedDict] = _take_ordered
TAKERS[defaultdict] = _take_default
TAKERS[deque] = _take_deque
TAKERS[Fraction] = _take_fraction
TAKERS[partial] = _take_partial
