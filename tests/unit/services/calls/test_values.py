from __future__ import annotations

import re
import signal
import threading
import tracemalloc
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
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partial
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import PosixPath, PurePosixPath, PureWindowsPath
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.calls.functions import name_called
from headrace_services.calls.outline import OUTLINES
from headrace_services.calls.rebuilding import IMPORTED
from headrace_services.calls.values import pack_call, pack_value, unpack_value
from support import calls_shop
from support.calls_shop import Colour, Pair, Parcel, Point, Right, Size, ran

T = TypeVar("T")
Alike = Callable[[Any, Any], bool]
Travel = Callable[[Any], Any]

ZONES = [timezone.utc, timezone(timedelta(hours=-3), "there"), ZoneInfo("Europe/Paris")]  # noqa: UP017

keys = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(st.characters(codec=None)),
    st.binary(),
    st.complex_numbers(allow_nan=False),
    st.decimals(allow_nan=False),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.datetimes(timezones=st.sampled_from([None, *ZONES])),
    st.uuids(),
    st.sampled_from([Colour.RED, Colour.BLUE, Size.LARGE, Right.READ, Right.READ | Right.WRITE]),
    st.sampled_from(
        [PosixPath("a/b"), PurePosixPath("/"), PureWindowsPath("c:\\x"), range(9, 2, -3)]
    ),
)
keys = st.recursive(keys, lambda inner: st.one_of(
    st.lists(inner, max_size=3).map(tuple), st.frozensets(inner, max_size=3),
    st.builds(Parcel, inner), st.builds(Pair, inner, inner),
), max_leaves=4)  # fmt: skip
leaves = st.one_of(
    keys,
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.binary().map(bytearray),
    st.sets(keys, max_size=3),
    st.floats().map(np.float64),
    st.integers(-128, 127).map(np.int8),
    st.text().map(np.str_),
    st.binary().map(np.bytes_),
    st.lists(st.floats(), max_size=5).map(np.array),
    st.builds(slice, st.none() | st.integers(), st.integers()),
)
values = st.recursive(leaves, lambda inner: st.one_of(
    st.lists(inner, max_size=4),
    st.lists(inner, max_size=4).map(tuple),
    st.dictionaries(keys, inner, max_size=4),
    st.builds(Point, inner, inner),
    st.builds(Pair, inner, inner),
), max_leaves=12)  # fmt: skip


@settings(deadline=None)
@given(value=values)
def test_every_value_comes_back_as_it_went(alike: Alike, travel: Travel, value: Any) -> None:
    assert alike(travel(value), value)


@settings(deadline=None, max_examples=30)
@given(args=st.lists(values, max_size=3), kwds=st.dictionaries(st.text(), values, max_size=2))
def test_the_arguments_of_a_call_come_back_as_they_went(
    alike: Alike, args: list[Any], kwds: dict[str, Any]
) -> None:
    assert alike(unpack_value(pack_call(tuple(args), kwds), IMPORTED), [args, kwds])


@pytest.mark.parametrize(
    "value",
    [
        0, -1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**5000, True, None, "",
        "half a pair \ud800", float("nan"), float("-inf"), -0.0, complex("-0-nanj"),
        Decimal("sNaN123"), Decimal("-0E-10"), Decimal("1E+999999"),
        datetime(2020, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1),
        datetime(1, 1, 1), time(23, 59, 59, 999999, fold=1), date.max, timedelta.min,  # noqa: DTZ001
        UUID(int=5), PosixPath("/tmp/caf\udce9"), range(2**70, 0, -5), slice([1], (2,), None),
        signal.SIGTERM, bytearray(), b"", (), [], {}, set(), frozenset(), ((),), [[]], {(): ()},
        [bytearray(b"a"), {"k": (bytearray(b"b"), b"b")}], {frozenset({(1, "a")}): {1: [()]}},
        {1: "a", 1.5: "b", None: "c", b"x": "d", "x": "e", (1, 2): "f", Colour.BLUE: "g"},
        Point(bytearray(b"x"), [bytearray()]), Pair((bytearray(),), 1),
        {Colour.CRIMSON: Size.SMALL},
        Counter("banana"), Counter({(1, 2): -3}), OrderedDict([("b", 1), ("a", [2])]), deque("ab"),
        deque([(1,), {2}], maxlen=2), Fraction(-3, 10**40), defaultdict(list, {"a": [bytearray()]}),
        defaultdict(None, {1: 2}), partial(int, "10", base=2), [Counter(), (deque(),)],
        ChainMap[Any, Any](), Counter[str]("banana"), UserDict[Any, Any](a=1), deque[int]([1]),
        ChainMap[Any, Any]({"a": 1}, OrderedDict(b=bytearray(b"x")), ChainMap(UserDict(c=2))),
        UserDict({(1, 2): bytearray(b"x")}), UserList([(1,), bytearray(b"x")]), UserList(),
        UserString("half a pair \ud800"), {UserString("key"): UserDict()},
        re.compile("(?i)a+\\d"), re.compile(b"\xff$", re.MULTILINE | re.LOCALE),
        re.compile("a b", re.VERBOSE | re.ASCII), IPv4Address("10.0.0.1"),
        IPv6Address("fe80::1%eth0"), IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/32"),
        IPv4Interface("10.0.0.1/8"), IPv6Interface("2001:db8::1/32"),
        Parcel(1, ("a",), Point(Pair(1, 2))), Right(0), np.datetime64("NaT", "s"),
    np.longdouble("1.1"),
        np.str_("ends with zero\0"), np.bytes_(b"\0"), np.dtype("<f4"), np.complex64(1 - 2j),
    ],
    ids=lambda value: f"{type(value).__name__}",
)  # fmt: skip
def test_a_special_value_comes_back_as_it_went(alike: Alike, travel: Travel, value: Any) -> None:
    assert alike(travel(value), value)
    assert alike(travel([(value,)]), [(value,)])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4), np.arange(12.0).reshape(3, 4).T, np.arange(12)[::-2],
        np.array(3), np.zeros((0, 3)), np.zeros(2, "V0"), np.array(["a", "bcd"]), np.array([b"x"]),
        np.array([1, 2], ">u2"), np.array(["2020-01-01"], "M8[D]"), np.array([5], "m8[25s]"),
        np.array([True]), np.array([1j]), np.zeros((2,) * 20, "i1"),
        np.array([(1, 2.5, b"ab")], [("a", "i2"), ("b", "f8"), ("c", "S2")]),
        np.zeros(2, np.dtype([("a", "i1"), ("b", [("c", "f4", (2, 3))])], align=True)),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)  # fmt: skip
def test_an_array_comes_back_as_it_went(alike: Alike, travel: Travel, array: Any) -> None:
    back = travel({"a": [array, (1, array)]})["a"]
    assert alike(back, [array, (1, array)])
    assert back[0].flags.f_contiguous == array.flags.f_contiguous or array.ndim == 1


def test_a_structure_keeps_its_layout(travel: Travel) -> None:
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    assert travel(kind).isalignedstruct
    assert travel(kind).fields["b"][1] == 8


def test_plain_values_are_plain_msgpack() -> None:
    value = [1, "a", {"k": [None, 2.5, True, b"x"]}]
    assert pack_value(value) == msgpack.packb(value)
    assert pack_value(7) == msgpack.packb(7)


def test_an_array_is_copied_once_each_way() -> None:
    array = np.zeros(1 << 17)
    frame = pack_value(array)
    assert array.nbytes < len(frame) < array.nbytes + 100
    for work in (lambda: pack_value(array), lambda: unpack_value(frame, IMPORTED)):
        tracemalloc.start()
        try:
            kept = work()
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 1.1 * array.nbytes, type(kept)


def test_a_container_of_the_standard_library_has_a_type_of_its_own(travel: Travel) -> None:
    for value in (ChainMap({"a": 1}), UserDict(a=1), UserList([1]), UserString("a")):
        assert type(travel(value)) is type(value)
        assert vars(travel(value)) == vars(value)
    value = UserDict(a=1)
    value.extra = 2  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="attributes of its own: 'extra'"):
        pack_value(value)


def test_a_containers_limits_and_factories_come_back(travel: Travel) -> None:
    assert travel(deque([1], maxlen=3)).maxlen == 3
    assert travel(defaultdict(Counter)).default_factory is Counter
    assert travel(Counter(a=-1)) == {"a": -1}
    name_called(calls_shop.add)
    part = travel(partial(calls_shop.add, 1, right=2))
    assert (part.func, part.args, part.keywords) == (calls_shop.add, (1,), {"right": 2})
    nameless: list[Any] = [defaultdict(lambda: 0), partial(lambda x: x, 1)]
    for value in nameless:
        with pytest.raises(TypeError, match="it is a lambda"):
            pack_value([value])
    marked: Any = Counter()
    marked.extra = 1
    with pytest.raises(TypeError, match="attributes of its own: 'extra'"):
        pack_value(marked)


def test_a_pattern_keeps_its_meaning_and_none_that_is_too_long_travels(
    travel: Travel, capsys: pytest.CaptureFixture[str]
) -> None:
    back = travel(re.compile("^b", re.MULTILINE | re.DEBUG))
    assert back.findall("a\nb") == ["b"]
    printed, _ = capsys.readouterr()
    assert printed.count("AT AT_BEGINNING") == 1  # where the program has compiled it
    with pytest.raises(TypeError, match=r"the value, \[0\]: .* longer than 10,000 characters"):
        pack_value([re.compile("a" * 10_001)])


def test_patterns_that_take_long_to_compile_do_not_travel(travel: Travel) -> None:
    usual = [re.compile(f"(?i)[a-z]+{number}") for number in range(2000)]
    assert travel(usual) == usual
    east = re.compile("[\u4e00-\u9fff\u3040-\u30ff]+|[\\u0080-\\uffff]")
    assert travel([east] * 50) == [east] * 50
    with pytest.raises(TypeError, match=r"^the value, \[\d+\]: a re.Pattern .* pass their text$"):
        pack_value([east, *usual] * 5)


def test_a_pattern_is_compiled_only_where_it_is_used() -> None:
    shown = unpack_value(b"\xc1\x00" + msgpack.packb([msgpack.ExtType(26, b""), "(", 0]), OUTLINES)
    assert (shown.kind, shown.items) == ("Pattern", ("(", 0))
    shown = unpack_value(pack_value(re.compile(b"a", re.IGNORECASE)), OUTLINES)
    assert (shown.kind, shown.items) == ("Pattern", (b"a", re.IGNORECASE.value))


def test_a_function_of_a_package_that_is_not_called_is_not_taken_from_a_value() -> None:
    with pytest.raises(ValueError, match="not of a package whose functions this program calls"):
        unpack_value(pack_value(partial(signal.raise_signal, 0)), IMPORTED)


@dataclass
class Rect:
    w: int
    h: int
    scale: InitVar[int] = 1

    def __post_init__(self, scale: int) -> None:
        self.area = self.w * self.h * scale

    @cached_property
    def half(self) -> float:
        return self.area / 2


class Slotted:
    __slots__ = ("beside", "unset")


@dataclass(frozen=True, slots=True)
class Framed(Slotted):
    inside: int


@dataclass
class Box(Generic[T]):
    inside: T


class Loose(NamedTuple("Loose", [("a", int)])):  # noqa: SLOT002 - attributes are what it is about
    pass


def test_other_attributes_of_a_dataclass_come_back(travel: Travel) -> None:
    rect = Rect(3, 4, 2)
    assert vars(travel(rect)) == {"w": 3, "h": 4, "area": 24}
    assert rect.half == 12
    rect.note = (1, bytearray(b"x"))  # type: ignore[attr-defined]
    back = travel([rect])[0]
    assert vars(back) == vars(rect)
    framed = Framed(1)
    object.__setattr__(framed, "beside", "b")
    assert (travel(framed).inside, travel(framed).beside) == (1, "b")
    box = travel(Box[int](5))
    assert box == Box(5)
    assert vars(box) == {"inside": 5}
    loose = Loose(1)
    loose.extra = 2  # type: ignore[attr-defined]
    assert (travel(loose), travel(loose).extra) == ((1,), 2)


def test_another_attribute_that_cannot_travel_is_refused_with_its_place() -> None:
    rect = Rect(3, 4)
    rect.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"the value, \[0\]\.lock: a _thread\.lock cannot travel"):
        pack_value([rect])


def test_a_dataclass_comes_back_without_its_code_being_run(travel: Travel) -> None:
    point = Point(1, 2)
    ran.clear()
    assert travel(point) == point
    assert ran == []


def test_a_changed_value_leaves_the_original_alone(travel: Travel) -> None:
    value = {"a": [bytearray(b"x")]}
    back = travel(value)
    back["a"][0][0] = 0
    assert value == {"a": [bytearray(b"x")]}


@pytest.mark.parametrize("kind", [list, tuple])
def test_whatever_nesting_can_be_packed_can_be_unpacked(kind: Callable[..., Any]) -> None:
    value = kind()
    deepest = 0
    for depth in range(1, 3000):
        value = kind([value])
        if depth % 100 and not 500 < depth < 520 and not 1010 < depth < 1030:
            continue
        try:
            frame = pack_value(value)
        except ValueError as error:
            assert "too deep" in str(error)  # noqa: PT017 - most of the depths are packed
            break
        unpack_value(frame, IMPORTED)
        deepest = depth
    assert 400 < deepest < 1100
