"""What values may be, on the wire and in a program's options."""

from __future__ import annotations

import math
import types
import typing
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from headrace_wire.api import APIS, JobQueueApi
from headrace_wire.bounds import (
    MAX_BATCH_TASKS,
    MAX_INTEGER,
    MAX_TEXT_CHARACTERS,
    Count,
    Identifier,
    Name,
    Priority,
    Retries,
    Seconds,
    Text,
    TimeLimit,
    check_fields,
    check_value,
    find_range,
    fit_name,
    is_within,
    quote,
    read_hints,
)
from headrace_wire.encoding import pack
from headrace_wire.errors import BoundsError, ProtocolError
from headrace_wire.message import Message, decode, decode_trusted, dump
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import Report
from headrace_wire.signature import read_signatures
from support.wire_messages import make_example, make_message, read_methods

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What nobody should send, as msgpack carries it.
HOSTILE: list[Any] = [
    -1,
    2**63,
    2**64 - 1,
    math.nan,
    math.inf,
    -math.inf,
    1e308,
    "x" * 2 * MAX_TEXT_CHARACTERS,
    "\udcff",
    "a\x00b",
    "\x1b[2J",
    "a\nb",
    "\u202e",
    "\x9b",
    None,
    True,
    [[]] * 2 * MAX_BATCH_TASKS,
    {"a": 1},
]

METHODS = [
    pytest.param(api, method, id=f"{name}.{method}")
    for name, api in APIS.items()
    for method in read_methods(api)
]


def walk(hint: Any, path: str) -> Iterator[tuple[str, Any, Meta | None]]:
    """Every plain value that a hint stands for, with its bounds."""
    meta = None
    if typing.get_origin(hint) is Annotated:
        hint, meta = typing.get_args(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Message):
        for name, inner in read_hints(hint).items():
            yield from walk(inner, f"{path}.{name}")
    elif origin in (types.UnionType, typing.Union):
        for inner in arguments:
            yield from walk(inner, path)
    elif origin in (tuple, dict):
        yield path, origin, meta
        for inner in arguments:
            if inner is not ...:
                yield from walk(inner, path)
    elif hint not in (bool, type(None)) and origin is not Literal:
        yield path, hint, meta


@pytest.mark.parametrize(("api", "method"), METHODS)
def test_every_value_that_arrives_has_bounds(api: type, method: str) -> None:
    for hint in read_methods(api)[method][0]:
        for path, kind, meta in walk(hint, method):
            assert meta is not None, path
            if kind in (int, float):
                low, high = find_range(meta)
                assert math.isfinite(low), path
                assert math.isfinite(high), path
                assert kind is float or -(2**63) <= low <= high < 2**63, path
            else:
                assert meta.max_length is not None, path


@pytest.mark.any_python
@pytest.mark.parametrize(("api", "method"), METHODS)
def test_what_nobody_should_send_is_refused_in_one_line_or_within_bounds(
    api: type, method: str
) -> None:
    signature = read_signatures(api)[method]
    good = dump([make_example(one) for one in read_methods(api)[method][0]])
    for path, mangled in mangle(good):
        for value in HOSTILE:
            mangled(value)
            refusal = ""
            try:
                decode(signature.arguments, pack(good))
            except (ProtocolError, BoundsError) as error:  # and nothing else is ever raised
                refusal = error.message
            assert refusal.isprintable(), path
            assert len(refusal) < 500, path
        mangled(None, restore=True)
    assert len(dump(decode(signature.arguments, pack(good)))) == len(good)


def mangle(values: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each place in nested lists, with a function that puts something else there."""
    for place, old in enumerate(values):

        def put(value: Any, *, restore: bool = False, place: int = place, old: Any = old) -> None:
            values[place] = old if restore else value

        yield f"{path}/{place}", put
        if isinstance(old, list):
            yield from mangle(old, f"{path}/{place}")


def test_a_refusal_names_the_value_and_what_it_may_be() -> None:
    signature = read_signatures(JobQueueApi)["submit"]
    wire = dump(make_message(JobSpec))
    wire[JobSpec.__struct_fields__.index("priority")] = 1000
    with pytest.raises(
        BoundsError, match=r"^priority must be a number from -100 to 100, not 1000$"
    ):
        decode(signature.arguments, pack([wire]))
    wire = dump(make_message(LeaseRequest))
    wire[3] = math.nan
    with pytest.raises(BoundsError, match=r"^wait_seconds must be a number from 0 to .*, not nan$"):
        decode(LeaseRequest, pack(wire))


def test_a_word_that_is_none_of_those_expected_is_named() -> None:
    wire = dump(make_message(TaskFailure))
    wire[TaskFailure.__struct_fields__.index("reason")] = "fun"
    with pytest.raises(BoundsError, match=r"^reason must be one of error, timeout, .*, not 'fun'$"):
        decode(TaskFailure, pack(wire))
    assert dump(decode_trusted(TaskFailure, pack(wire))) == wire


def test_text_that_is_no_utf8_is_named() -> None:
    wire = dump(make_message(TaskFailure))
    wire[TaskFailure.__struct_fields__.index("message")] = "\udcff"
    packed = pack(wire)
    with pytest.raises(ProtocolError, match=r"^message must be text, not bytes that are no UTF-8$"):
        decode(TaskFailure, packed)
    assert dump(decode_trusted(TaskFailure, packed)) == wire


def test_a_list_is_counted_before_it_is_built() -> None:
    wire = dump(make_message(Report))
    wire[2] = [None] * 200_000
    with pytest.raises(BoundsError, match=r"^done must be at most 131072 entries, not 200000$"):
        decode(Report, pack(wire))


def test_what_was_stored_is_not_refused() -> None:
    wire = dump(make_message(JobSpec))
    wire[JobSpec.__struct_fields__.index("priority")] = 1000
    assert decode_trusted(JobSpec, pack(wire)).priority == 1000


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (Priority, [-100, 0, 100], [-101, 101]),
        (Retries, [0, 1000], [-1, 1001]),
        (Count, [0, MAX_INTEGER], [-1, MAX_INTEGER + 1]),
        (Seconds, [0, 0.5, 1e9], [-0.001, math.nan, math.inf, 1e300, 10**400]),
        (TimeLimit, [0.001, 3600], [0, -1, math.nan, math.inf, 5e-324]),
        (Name, ["", "a b", "é" * 200, "\u4e2d\u3000\u6587", "\U0001f600", "ن\u200cی"],
         ["x" * 201, "\n", "\x1b", "\x9b", "\u202e", "\u2028", "\udcff", "\x00"]),
        (Identifier, ["a", "x" * 64, "my.service-2"], ["", "x" * 65, "a b", "é", "a\n"]),
        (Text, ["", "any\n\x1b"], ["x" * 70_000]),
        (Priority | None, [None, 5], [1000]),
    ],
)  # fmt: skip
def test_values_within_their_bounds_are_taken(hint: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert check_value(hint, value, "it") == value
    for value in bad:
        with pytest.raises(ValueError, match=r"^it must be .*, not "):
            check_value(hint, value, "it")


@pytest.mark.parametrize(
    ("hint", "value"),
    [(Priority, 1.5), (Priority, True), (Priority, "1"), (Priority, None), (Seconds, "1"),
     (Seconds, False), (Name, 1), (Name, b"x"), (Retries | None, "3"), (bool, 1)],
)  # fmt: skip
def test_values_of_other_types_are_type_errors(hint: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=r"^it must be "):
        check_value(hint, value, "it")


def test_numbers_of_other_libraries_become_plain_ones() -> None:
    numpy = pytest.importorskip("numpy")
    checked = check_value(Priority, numpy.int64(5), "it")
    assert (checked, type(checked)) == (5, int)
    checked = check_value(Seconds, numpy.float32(0.5), "it")
    assert (checked, type(checked)) == (0.5, float)
    assert check_value(Seconds, Fraction(1, 2), "it") == 0.5


def test_options_are_checked_where_they_are_made() -> None:
    class Options(Struct, frozen=True):
        priority: Priority = 0
        wait_seconds: Seconds | None = None

        def __post_init__(self) -> None:
            check_fields(self)

    assert Options(wait_seconds=3).wait_seconds == 3.0
    with pytest.raises(ValueError, match="priority must be a number from -100 to 100, not 101"):
        Options(101)
    with pytest.raises(TypeError, match=r"priority must be a whole number, not 1\.5"):
        Options(1.5)  # type: ignore[arg-type] # a user's mistake


def test_ends_may_be_left_out_of_a_range() -> None:
    assert is_within(Meta(ge=0), math.inf)
    assert not is_within(Meta(ge=0), -5e-324)
    assert is_within(Meta(le=1), -math.inf)
    assert not is_within(Meta(le=1), 1.1)


def test_a_name_is_made_to_fit() -> None:
    assert fit_name("host\nname\x1b" + "x" * 300) == "host?name?" + "x" * 190


def test_a_value_is_quoted_in_few_characters_and_one_line() -> None:
    for value in (*HOSTILE, b"x" * 1000, {"a": "\n"}, ("\x1b",), 10**400):
        assert quote(value).isprintable()
        assert len(quote(value)) <= 201
