"""Containers and partial functions of the standard library: Counter, deque, partial and the like.

A function in them is sent by its name. A worker looks for it among what is allowed there, and a
client in the packages whose functions it calls itself, because a value from elsewhere must not make
it run something else.
"""

from __future__ import annotations

from collections import (
    ChainMap,
    Counter,
    OrderedDict,
    UserDict,
    UserList,
    UserString,
    defaultdict,
    deque,
)
from collections.abc import Mapping
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace_services.calls.encoder import (
    TAKERS,
    UntravelableError,
    by_items,
    make_taker,
    secure,
)
from headrace_services.calls.functions import name_function
from headrace_services.calls.marks import expect
from headrace_services.calls.named import FOR_TYPING
from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from headrace_services.calls.building import Building


def _refuse_attributes(value: object, own: str = "") -> None:
    others = [name for name in value.__dict__ if name not in {own, FOR_TYPING}]
    if others:
        names = ", ".join(map(repr, others))
        raise UntravelableError(value, f"it has attributes of its own: {names}")


def _name(owner: object, function: Any, what: str) -> str:
    try:
        return name_function(function)
    except UsageError as error:
        raise UntravelableError(owner, f"{what}: {error}") from None


def _dump_counter(counter: Counter[Any]) -> list[Any]:
    _refuse_attributes(counter)
    return secure([dict(counter)])


def _load_counter(items: list[Any]) -> Counter[Any]:
    made: Counter[Any] = Counter()
    # ``update`` would add up.
    dict[Any, Any].update(made, expect(items, dict)[0])
    return made


def _dump_ordered(ordered: OrderedDict[Any, Any]) -> list[Any]:
    _refuse_attributes(ordered)
    return secure([dict(ordered)])


def _load_ordered(items: list[Any]) -> OrderedDict[Any, Any]:
    return OrderedDict(expect(items, dict)[0])


def _dump_default(default: defaultdict[Any, Any]) -> list[Any]:
    factory: Any = default.default_factory
    name = None if factory is None else _name(default, factory, "its default_factory")
    return [name, *secure([dict(default)])]


def _build_default(items: list[Any], building: Building) -> Any:
    name, pairs = expect(items, (str, type(None)), dict)
    return building.classes.make_default(name, pairs)


def _load_deque(items: list[Any]) -> deque[Any]:
    length, *rest = items
    expect([length], (int, type(None)))
    return deque(rest, length)


def _dump_chain(chain: ChainMap[Any, Any]) -> list[Any]:
    _refuse_attributes(chain, "maps")
    return secure([list(chain.maps)])


def _load_chain(items: list[Any]) -> ChainMap[Any, Any]:
    (maps,) = expect(items, list)
    if not all(isinstance(one, Mapping) for one in maps):
        raise ValueError("a ChainMap has a part that is no mapping")
    return ChainMap(*maps)


def _dump_user(value: UserDict[Any, Any] | UserList[Any] | UserString) -> list[Any]:
    _refuse_attributes(value, "data")
    return secure([value.data])


def _load_user_dict(items: list[Any]) -> UserDict[Any, Any]:
    made: UserDict[Any, Any] = UserDict()
    (made.data,) = expect(items, dict)
    return made


def _load_user_list(items: list[Any]) -> UserList[Any]:
    made: UserList[Any] = UserList()
    (made.data,) = expect(items, list)
    return made


def _dump_partial(part: partial[Any]) -> list[Any]:
    _refuse_attributes(part)
    return [_name(part, part.func, "its function"), *secure([list(part.args), part.keywords])]


def _build_partial(items: list[Any], building: Building) -> Any:
    name, args, kwds = expect(items, str, list, dict)
    return building.classes.make_partial(name, args, kwds)


TAKERS[Counter] = make_taker(20, _dump_counter, by_items(_load_counter))
TAKERS[OrderedDict] = make_taker(21, _dump_ordered, by_items(_load_ordered))
TAKERS[defaultdict] = make_taker(22, _dump_default, _build_default)
TAKERS[deque] = make_taker(
    23, lambda items: [items.maxlen, *secure(list(items))], by_items(_load_deque)
)
TAKERS[Fraction] = make_taker(
    24,
    lambda fraction: [fraction.numerator, fraction.denominator],
    by_items(lambda items: Fraction(*expect(items, int, int))),
)
TAKERS[partial] = make_taker(25, _dump_partial, _build_partial)
TAKERS[ChainMap] = make_taker(28, _dump_chain, by_items(_load_chain))
TAKERS[UserDict] = make_taker(29, _dump_user, by_items(_load_user_dict))
TAKERS[UserList] = make_taker(30, _dump_user, by_items(_load_user_list))
TAKERS[UserString] = make_taker(
    31, _dump_user, by_items(lambda items: UserString(expect(items, str)[0]))
)
