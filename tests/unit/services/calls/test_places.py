"""What cannot travel is refused by name and place."""

from __future__ import annotations

import socket
import sys
import time
from collections import ChainMap, UserDict, UserList
from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.calls.values import pack_call, pack_value
from support.calls_shop import BareError, Pair, Parcel, Point

CULPRIT = SimpleNamespace()


@pytest.mark.parametrize(
    ("args", "kwds", "place"),
    [
        ((CULPRIT,), {}, "argument 1"),
        ((1, {"a": [0, 1, 2, CULPRIT]}), {}, "argument 2, ['a'][3]"),
        ((), {"scale": [CULPRIT]}, "argument 'scale', [0]"),
        (((1, (2, CULPRIT)),), {}, "argument 1, [1][1]"),
        (({1: {(1, 2): CULPRIT}},), {}, "argument 1, [1][(1, 2)]"),
        (([Point(1, [CULPRIT])],), {}, "argument 1, [0].y[0]"),
        ((Pair(Parcel(CULPRIT), 1),), {}, "argument 1, .left.weight_kg"),
        ((ValueError(1, CULPRIT),), {}, "argument 1, .args[1]"),
        ((slice(CULPRIT),), {}, "argument 1, .stop"),
        ((UserDict(a=UserList([1, CULPRIT])),), {}, "argument 1, ['a'][1]"),
        ((ChainMap({}, {"a": CULPRIT}),), {}, "argument 1, .maps[1]['a']"),
    ],
)
def test_the_place_of_what_cannot_travel_is_told(
    args: tuple[Any, ...], kwds: dict[str, Any], place: str
) -> None:
    with pytest.raises(TypeError) as caught:
        pack_call(args, kwds)
    assert str(caught.value) == (
        f"{place}: a types.SimpleNamespace cannot travel; use serializer='cloudpickle'"
    )


def test_a_key_and_an_item_of_a_set_have_a_place_too() -> None:
    with pytest.raises(
        TypeError, match=r"^item 7, \['a'\] key \(1, <function .*\[1\]: a function "
    ):
        pack_value({"a": {(1, len.__class__, pack_call)[0::2]: 1}}, "item 7")
    with pytest.raises(TypeError, match=r"^the value, item <built-in function len>: a builtin"):
        pack_value({len})


def test_a_socket_is_named_by_its_type() -> None:
    with socket.socket() as link, pytest.raises(TypeError, match=r"^argument 1: a socket\.socket "):
        pack_call((link,), {})


@pytest.mark.parametrize(
    "value",
    [object(), SimpleNamespace(), type("Text", (str,), {})("x"), type("Number", (int,), {})(5), int,
     msgpack.ExtType(1, b""), msgpack.Timestamp(5), np.ma.array([1]), iter(()), ..., sys],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_would_come_back_as_something_else_is_refused(value: Any) -> None:
    for whole in (value, [value], {"k": (value,)}, Point(value, [value])):
        with pytest.raises(TypeError, match="cannot travel; use serializer='cloudpickle'"):
            pack_value(whole)


def test_a_view_and_an_array_of_objects_are_refused_with_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"\[0\]: a memoryview cannot travel: pass bytes"):
        pack_value([memoryview(b"x")])
    with pytest.raises(TypeError, match="a memoryview cannot travel"):
        pack_value({memoryview(b"x")})
    with pytest.raises(TypeError, match=r"\['k'\]: a numpy.ndarray cannot travel: its items are"):
        pack_value({"k": np.array([None])})
    with pytest.raises(TypeError, match=r"its items are of type \[\('a'"):
        pack_value(np.zeros(1, [("a", "i4"), ("b", "O")]))


def test_the_article_goes_with_the_type() -> None:
    with pytest.raises(TypeError, match=r"^the value, \[0\]: an ellipsis cannot travel"):
        pack_value([...])


def test_a_class_that_the_other_side_cannot_find_is_refused_with_why() -> None:
    local = make_dataclass("Local", ["x"])
    with pytest.raises(TypeError, match="not to be found as"):
        pack_value(local(1))
    local.__module__ = "__main__"
    with pytest.raises(TypeError, match="in __main__, which workers cannot import; move the class"):
        pack_value([local(1)])
    local.__qualname__ = "test.<locals>.Local"
    local.__module__ = __name__
    with pytest.raises(TypeError, match="inside a function"):
        pack_value(local(1))


def test_a_field_without_a_value_is_told() -> None:
    point = Point(1)
    del point.x
    with pytest.raises(TypeError, match=r"\[0\]: a .*Point cannot travel: a field has no value"):
        pack_value([point])


def test_an_exception_whose_attributes_cannot_travel_is_refused_as_a_value() -> None:
    error = BareError(code=1)
    error.add_note("x")
    pack_value(error)
    error.handle = CULPRIT  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"^the value, .handle: "):
        pack_value(error)


def test_a_value_that_contains_itself_is_refused() -> None:
    ring: list[Any] = [1]
    ring.append({"a": (ring,)})
    with pytest.raises(ValueError, match=r"^argument 2, \[1\]\['a'\]\[0\]: .* contains itself"):
        pack_call((0, ring), {})
    point = Point([1])
    point.x.append(point)
    with pytest.raises(ValueError, match=r"^the value, .x\[1\]: .* contains itself"):
        pack_value(point)
    many: list[Any] = [bytearray()]
    many += [many] * 10
    with pytest.raises(ValueError, match="contains itself"):
        pack_value(Point(many))


def test_a_value_that_is_nested_too_deep_is_refused() -> None:
    deepest: list[Any] = [[], {"k": bytearray()}]
    for value in deepest:
        for _ in range(5000):
            value = [value]  # noqa: PLW2901 - one level more
        with pytest.raises(
            ValueError, match=r"^argument 1: nested 50\d\d deep, too deep to travel"
        ):
            pack_call((value,), {})


@pytest.mark.any_python
def test_what_a_place_costs_does_not_grow_with_the_square_of_the_depth() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    before = time.process_time()
    with pytest.raises(ValueError, match="nested 100000 deep"):
        pack_value(value)
    assert time.process_time() - before < 10, "minutes, if each place were put into words"


@settings(deadline=None)
@given(st.recursive(st.none(), lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=3),
    st.lists(inner, max_size=2).map(tuple), st.builds(Point, inner, inner)), max_leaves=10),
    st.data())  # fmt: skip
def test_the_place_leads_to_what_cannot_travel(whole: Any, data: st.DataObject) -> None:
    """Put a path into a value at a random place: the place that is told evaluates to it."""
    culprit = SimpleNamespace(number=data.draw(st.integers()))
    holders: list[Any] = []

    def list_holders(value: Any) -> None:
        if isinstance(value, list | dict):
            holders.append(value)
        parts = vars(value).values() if isinstance(value, Point) else value or ()
        for part in parts.values() if isinstance(parts, dict) else parts:
            list_holders(part) if not isinstance(part, str) else None

    root = [whole]
    list_holders(root)
    holder = data.draw(st.sampled_from(range(len(holders))))
    if isinstance(holders[holder], list):
        holders[holder].append(culprit)
    else:
        holders[holder]["new"] = culprit
    with pytest.raises(TypeError) as caught:
        pack_value(root)
    place = str(caught.value).removeprefix("the value, ").partition(": a types")[0]
    assert eval(f"root{place}", {"root": root}) is culprit


def test_packing_leaves_paths_and_files_alone(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file, pytest.raises(TypeError, match="TextIOWrapper"):
        pack_value([tmp_path, file])
