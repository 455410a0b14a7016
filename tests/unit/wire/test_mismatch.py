"""What msgspec says of a value, in words that name the field and what it may be."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from headrace_wire.bounds import Count, Identifier, Name, Seconds
from headrace_wire.errors import HeadraceError
from headrace_wire.message import Message, decode
from headrace_wire.messages.jobs import JobFilter, State
from headrace_wire.mismatch import explain_mismatch


class Inner(Struct, forbid_unknown_fields=True):
    limit: Count
    state: Literal["queued", "running"] = "queued"
    text: Name = ""
    service: Identifier = "primes"
    indices: tuple[Count, ...] = ()
    since: Seconds | None = None
    past: bool = False
    names: dict[str, int] = {}


class Outer(Struct, forbid_unknown_fields=True):
    first: Inner | None = None
    others: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("body", "told", "without"),
    [
        ("[]", "it must be an object, not a list", ...),
        ("{", "it ends too early", ...),
        ('{"a" 5}', "it is not JSON: expected ':' (byte 5)", ...),
        ('{"second": 1}', "there is no field 'second': there are first, others",
         "there is no field 'second'"),
        ('{"first": {}}', "limit is missing", ...),
        ('{"first": {"limit": -1}}', "limit must be a number from 0 to 9223372036854775807",
         "limit must be 0 at least"),
        ('{"first": {"limit": 1e400}}', "limit must be a number from 0 to 9223372036854775807",
         "limit is too large a number"),
        ('{"first": {"limit": "x"}}', "limit must be a whole number, not text", ...),
        ('{"first": {"limit": 1.5}}', "limit must be a whole number, not one with a fraction", ...),
        ('{"first": {"limit": 1, "state": "lost"}}',
         "state must be one of queued, running, not 'lost'", "state may not be 'lost'"),
        (f'{{"first": {{"limit": 1, "text": "{"x" * 201}"}}}}',
         "text must be up to 200 printable characters", "text must have 200 characters at most"),
        ('{"first": {"limit": 1, "text": "\\u202e"}}',
         "text must be up to 200 printable characters", "text has characters that cannot be shown"),
        ('{"first": {"limit": 1, "service": "a b"}}',
         "service must be 1 to 64 letters, digits and _ . : + -",
         "service has characters other than letters, digits and _ . : + -"),
        ('{"first": {"limit": 1, "since": []}}', "since must be a number or null, not a list", ...),
        ('{"first": {"limit": 1, "past": 1}}',
         "past must be true or false, not a whole number", ...),
        ('{"first": {"limit": 1, "indices": [1, -2]}}',
         "each of indices must be a number from 0 to 9223372036854775807",
         "each of indices must be 0 at least"),
        ('{"first": {"limit": 1, "names": {"a": "b"}}}',
         "each of names must be a whole number, not text", ...),
        ('{"others": [{"limit": true}]}', "limit must be a whole number, not true or false", ...),
    ],
)  # fmt: skip
def test_a_field_and_what_it_may_be_are_named(body: str, told: str, without: Any) -> None:
    with pytest.raises(msgspec.DecodeError) as refusal:
        msgspec.json.decode(body, type=Outer)
    assert explain_mismatch(refusal.value, Outer) == told
    known = told if without is ... else without
    assert explain_mismatch(refusal.value) == known, "where its type is not known"


class Asked(Message):
    chosen: JobFilter
    states: tuple[State, ...]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"text": 5}, "text must be text, not a whole number"),
        ({"text": "x" * 201}, "text must be up to 200 printable characters, not 201 characters"),
        ({"service": "a b"}, "service must be up to 64 letters, digits and _ . : + -, not 'a b'"),
        ({"since": "soon"}, "since must be a number, not text"),
        ({"since": -1.0}, "since must be a number from 0 to 253402300799, not -1.0"),
        ({"states": ("lost",)}, "states must be one of queued, running, "),
        ({"states": 7}, "states must be a list"),
        ({"past": 1}, "past must be true or false, not a whole number"),
    ],
)
def test_what_arrived_over_the_network_is_refused_in_the_same_words(
    change: dict[str, Any], told: str
) -> None:
    wrong = msgspec.structs.replace(JobFilter(), **change)
    packed = msgspec.msgpack.encode((wrong, ()))
    with pytest.raises(HeadraceError) as refusal:
        decode(Asked, packed)
    assert refusal.value.message.startswith(told)
