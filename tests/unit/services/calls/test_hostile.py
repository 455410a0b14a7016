"""Bytes that nobody packed: each is refused with a ValueError, or is a value, and does no harm."""

from __future__ import annotations

import itertools
import struct
import sys
import tracemalloc
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.calls import collisions, decoder
from headrace_services.calls.functions import resolve
from headrace_services.calls.marks import MARKS
from headrace_services.calls.outline import OUTLINES
from headrace_services.calls.rebuilding import IMPORTED, FoundClasses
from headrace_services.calls.values import pack_value, unpack_value
from headrace_services.permits import Permits, RefusedError
from support.calls_shop import Colour, OutOfStockError, Pair, Parcel, Point, Right, ran

SHOP = FoundClasses(lambda name: resolve(name, Permits(("support.calls_shop",))))

SEEDS = [
    pack_value(value)
    for value in [
        [1, 2**70, {"a": (1, 2, {3})}, 1j, bytearray(b"x")],
        [Colour.RED, Right.READ, Point(1, 2), Parcel(3), Pair(4, 5), OutOfStockError("a", 1)],
        [np.arange(5), np.zeros(2, [("a", "i4"), ("b", "f4", (2,))]), np.int8(3), np.str_("x")],
    ]
]


def open_safely(frame: bytes) -> Any:
    for classes in (IMPORTED, SHOP, OUTLINES):
        with suppress(ValueError):
            unpack_value(frame, classes)


@settings(deadline=None)
@given(frame=st.binary(max_size=200), start=st.sampled_from([b"", b"\xc1\x00", b"\xc1\x01"]))
def test_random_bytes_are_refused_or_are_a_value(frame: bytes, start: bytes) -> None:
    open_safely(start + frame)


@pytest.mark.any_python
@settings(deadline=None, max_examples=400)
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_changed_bytes_are_refused_or_are_a_value(seed: bytes, data: st.DataObject) -> None:
    frame = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(frame) - 1))
        frame[place] = data.draw(st.integers(0, 255))
    modules = set(sys.modules)
    ran.clear()
    open_safely(bytes(frame))
    open_safely(bytes(frame[: data.draw(st.integers(0, len(frame)))]))
    assert ran == []
    assert {name for name in set(sys.modules) - modules if "numpy" not in name} == set()


marked = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(),
        st.binary(max_size=9), st.text(max_size=9),
        st.sampled_from([mark.sign for mark in MARKS.values()]),
        st.sampled_from(["<f8", "|O", "<U999999999", "|V9", "builtins:eval", "os:system",
                         "support.calls_shop:Point", "support.calls_shop:Colour", "RED", "1E+9"]),
    ),
    lambda inner: st.one_of(
        st.builds(lambda mark, items: [mark.sign, *items],
                  st.sampled_from(sorted(MARKS.values(), key=id)), st.lists(inner, max_size=6)),
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=15,
)  # fmt: skip


@pytest.mark.any_python
@settings(deadline=None, max_examples=500)
@given(tree=marked, body=st.binary(max_size=16))
def test_marks_in_any_order_are_refused_or_are_a_value(tree: Any, body: bytes) -> None:
    packed = msgpack.packb(tree)
    open_safely(b"\xc1\x00" + packed)
    open_safely(b"\xc1\x01" + struct.pack("<IQQ", 1, len(packed), len(body)) + packed + body)


def mark(code: int) -> Any:
    return msgpack.ExtType(code, b"")


@pytest.mark.parametrize(
    "tree",
    [
        mark(1), [1, mark(1)], {"a": mark(1)}, [mark(1), mark(1)], [mark(99)], [mark(6), [1]],
        [mark(3), "1"], [mark(5), "1_0"], [mark(5), "9" * 5 + "e"], [mark(11), 1, 2, 3],
        [mark(18), "../../etc/passwd"], [mark(18), "/etc/passwd"], [mark(48), "os:sep", "x"],
        [mark(48), "support.calls_shop:Colour", "GREEN"], [mark(48), "support.calls_shop:Point", 1],
        [mark(49), "support.calls_shop:Point", ["x"], [], 1],
        [mark(49), "support.calls_shop:Point", ["x", "__class__"], [], 1, 2],
        [mark(49), "support.calls_shop:Point", ["x", "y"], ["__class__"], 1, 2],
        [mark(49), "support.calls_shop:Point", ["x", "y"], [1], 1, 2, 3],
        [mark(49), "support.calls_shop:OutOfStockError", [], [] ],
        [mark(50), "support.calls_shop:Pair", [], 1], [mark(50), "builtins:tuple", []],
        [mark(50), "support.calls_shop:Pair", ["a"], 1, 2],
        [mark(20), [1]], [mark(21), 1], [mark(22), "os:system", {}], [mark(22), 1, {}],
        [mark(22), "support.calls_shop:add", {}], [mark(23), "a"], [mark(24), 1, 0],
        [mark(25), "os:system", ["true"], {}], [mark(25), "builtins:eval", ["1"], {}],
        [mark(25), "builtins:int", 1, {}],
        [mark(26), "(", 0], [mark(26), "a", 128], [mark(26), "a" * 10_001, 0], [mark(26), 1, 0],
        [[mark(26), "a" * 10_000, 0]] * 11, [mark(26), "[\0-\uffff]" * 300, 0],
        [mark(26), "[\\0-\\uffff]" * 300, 2], [mark(26), "[" + "a-\uffff" * 600 + "]", 0],
        [mark(26), b"a", 32], [mark(26), "(" * 9000, 0], [mark(26), "a", -1], [mark(26), "a", "0"],
        [mark(28), 1], [mark(28), [1]], [mark(28), [[1]]], [mark(28), {}], [mark(28)],
        [mark(29), [1]], [mark(29), {}, 1], [mark(30), {}], [mark(30), "a"], [mark(31), b"a"],
        [mark(27), "IPv4Address", "1.2.3"], [mark(27), "IPv4Network", "10.0.0.1/8"],
        [mark(27), "ip_address", "10.0.0.1"], [mark(27), "IPv6Address", "::1%" + "a" * 300],
        [mark(51), "builtins:OSError", [], {1: 2}, "", True], [mark(32), "<f8", [1], False],
        [mark(33), "|O", b"12345678"], [mark(33), "O", b"12345678"], [mark(33), "<f8", b"1"],
        msgpack.ExtType(5, b"x"), msgpack.Timestamp(1), {"a": [msgpack.ExtType(1, b"x")]},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError, match=r"malformed|refused|not"):
        unpack_value(b"\xc1\x00" + msgpack.packb(tree), SHOP)


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\xc1\x02\x01", b"\x01\x01", b"\xc7\x00\x01",
                                   b"\x81\x90\x01", b"\x91" * 5000, b"\xc1\x00" + b"\x91" * 5000,
                                   b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"])  # fmt: skip
def test_a_frame_that_is_none_is_refused(frame: bytes) -> None:
    with pytest.raises(ValueError, match="malformed"):
        unpack_value(frame, IMPORTED)


def frame_array(words: Any, shape: list[int], body: bytes, times: int = 1) -> bytes:
    tree: bytes = msgpack.packb([[mark(32), words, shape, False]] * times)
    return b"\xc1\x01" + struct.pack("<IQQ", 1, len(tree), len(body)) + tree + body


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        ("<f8", [2**40]), ("<f8", [2**62, 4]), ("<f8", [-1]), ("<f8", [2, -1, -1]), ("|O", [1]),
        ("<f8", [0, 2**62]), ("<U1000000000", [1]), ("<U1000000000", [0]), ("|V8", [True]),
        ("<f8", [1.0]), ("<f8", [1] * 65), (["<f8", [2**40]], [1]), (["<f8", [2**62, 2**62]], [0]),
        ([["a"], ["|O"], [0], 8, False], [1]), ([["a"], ["<f8"], [-8], 8, False], [1]),
        ([["a"], ["<f8"], [0], 2**40, False], [1]),
        ([["a", "a"], ["i1", "i1"], [0, 1], 8, False], [1]),
        ([["a"], ["<f8"], [4], 8, False], [1]), ("object", [1]), ("f8,O", [1]), ("<f8\n", [1]),
    ],
    ids=str,
)  # fmt: skip
def test_an_array_that_its_bytes_do_not_fill_is_refused_before_memory_is_taken(
    words: Any, shape: list[int]
) -> None:
    frame = frame_array(words, shape, b"12345678")
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="malformed"):
            unpack_value(frame, IMPORTED)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_an_array_with_bytes_left_over_is_refused() -> None:
    for words, shape in (("|i1", [7]), ("<f4", []), ("|V0", [1]), ("<f8", [0])):
        with pytest.raises(ValueError, match="an array's size is not that of its items"):
            unpack_value(frame_array(words, shape, b"12345678"), IMPORTED)


def test_the_bytes_of_an_array_are_used_once() -> None:
    assert len(unpack_value(frame_array("<f8", [1], b"12345678"), IMPORTED)) == 1
    for times in (0, 2):
        with pytest.raises(ValueError, match="malformed"):
            unpack_value(frame_array("<f8", [1], b"12345678", times), IMPORTED)


def test_a_class_that_is_not_allowed_is_refused_and_not_imported() -> None:
    frame = b"\xc1\x00" + msgpack.packb([mark(49), "wave:Wave_read", ["a"], [], 1])
    assert "wave" not in sys.modules
    with pytest.raises(RefusedError, match="--allow wave"):
        unpack_value(frame, SHOP)
    with pytest.raises(ValueError, match="import its module first"):
        unpack_value(frame, IMPORTED)
    assert "wave" not in sys.modules
    assert unpack_value(frame, OUTLINES).kind == "Wave_read"


def make_colliding(n: int) -> list[tuple[int, ...]]:
    """2**n different keys with one hash."""
    return list(itertools.product((-1, -2), repeat=n))


@pytest.fixture
def few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small values are looked at, and may have less."""
    monkeypatch.setattr(collisions, "MOST_COMPARED", 500_000)
    monkeypatch.setattr(decoder, "LARGE_BYTES", 0)


@pytest.mark.usefixtures("few_comparisons")
@pytest.mark.parametrize("make", [dict.fromkeys, set, frozenset, Counter, OrderedDict.fromkeys])
def test_keys_that_are_made_to_collide_are_refused(make: Callable[[Any], Any]) -> None:
    fine = make(make_colliding(8))
    assert unpack_value(pack_value(fine), IMPORTED) == fine
    with pytest.raises(ValueError, match="have the same hash"):
        unpack_value(pack_value(make(make_colliding(9))), IMPORTED)


def keep_apart(keys: Iterable[Any]) -> list[Any]:
    """Several dicts that are small enough, each of one hash: together they are too much."""
    return [dict.fromkeys(keys)] * 3


def lengthen(keys: Iterable[Any]) -> dict[Any, None]:
    """Large keys of one hash, whose difference is at their end."""
    return {(*(-1,) * 500, *key): None for key in keys}


def wrap(keys: Iterable[Any]) -> dict[Any, None]:
    """A few sets of one hash, whose items all have one hash too: hundreds of them are compared."""
    known = list(keys)
    return {frozenset([*known[:30], known[n]]): None for n in range(31, 71)}


@pytest.mark.usefixtures("few_comparisons")
@pytest.mark.parametrize("make", [keep_apart, lengthen, wrap])
def test_keys_that_take_long_in_another_way_are_refused(make: Callable[[Any], Any]) -> None:
    fine = dict.fromkeys(make_colliding(8))
    assert unpack_value(pack_value(fine), IMPORTED) == fine
    with pytest.raises(ValueError, match="have the same hash"):
        unpack_value(pack_value(make(fine)), IMPORTED)


def test_keys_in_pairs_of_one_hash_are_not_refused() -> None:
    fine = {(x, n): None for n in range(20_000) for x in (-1, -2)}
    assert unpack_value(pack_value(fine), IMPORTED) == fine


@pytest.mark.usefixtures("few_comparisons")
def test_large_numbers_that_collide_are_refused_and_others_are_not() -> None:
    prime = sys.hash_info.modulus
    with pytest.raises(ValueError, match="have the same hash"):
        unpack_value(pack_value({prime * (n + 8): n for n in range(2000)}), IMPORTED)
    fine = {(n, -n): n for n in range(500)}
    assert unpack_value(pack_value(fine), IMPORTED) == fine
