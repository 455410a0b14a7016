"""Every message of messages.py, whole and mangled."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_wire.encoding import pack
from headrace_wire.errors import ProtocolError
from headrace_wire.message import decode_trusted, dump
from headrace_wire.messages.jobs import FINAL_STATES
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.workers import Registration, WorkerInfo
from support.wire_messages import MESSAGES, draw_values, make_example, make_message

if TYPE_CHECKING:
    from headrace_wire.message import Message

#: What msgpack can carry in one value.
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5)
)

#: The same nested in any way.
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=12,
)

#: As many for each kind of message: they are many, and one decoder reads them all.
EXAMPLES = settings(max_examples=15)

FIELDS = [
    pytest.param(kind, place, hint, id=f"{kind.__name__}.{name}")
    for kind in MESSAGES
    for place, (name, hint) in enumerate(typing.get_type_hints(kind).items())
]


def travel(message: Message) -> Message:
    return decode_trusted(type(message), pack(dump(message)))


@pytest.mark.any_python
@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_arrives_as_it_was_sent(kind: type[Message]) -> None:
    @EXAMPLES
    @given(draw_values(kind))
    def check(message: Message) -> None:
        assert travel(message) == message

    check()


@pytest.mark.any_python
@pytest.mark.parametrize("kind", MESSAGES)
def test_what_arrives_is_a_whole_message_or_a_protocol_error(kind: type[Message]) -> None:
    wire = dump(make_example(kind))
    mangled = st.one_of(
        ANYTHING,
        st.lists(PLAIN | st.lists(PLAIN, max_size=2), min_size=len(wire), max_size=len(wire)),
        st.tuples(st.integers(0, len(wire) - 1), ANYTHING).map(
            lambda change: [*wire[: change[0]], change[1], *wire[change[0] + 1 :]]
        ),
    )

    @EXAMPLES
    @given(mangled)
    def check(values: Any) -> None:
        refusal = ""
        try:
            message = decode_trusted(kind, pack(values))
        except ProtocolError as error:  # and nothing else is ever raised
            refusal = error.message
        else:
            assert travel(message) == message
        assert "\n" not in refusal

    check()


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_wrong_number_of_fields_is_refused(kind: type[Message]) -> None:
    wire = dump(make_example(kind))
    required = len(wire) - len(kind.__struct_defaults__)
    malformed: list[object] = [[*wire, None], [*wire, wire[-1]], {}, None, "text"]
    malformed += [wire[:short] for short in range(required)]
    for values in malformed:
        with pytest.raises(ProtocolError, match=f"a malformed {kind.__name__} arrived"):
            decode_trusted(kind, pack(values))


@pytest.mark.parametrize("kind", MESSAGES)
def test_the_last_fields_may_be_missing_where_they_have_defaults(kind: type[Message]) -> None:
    wire = dump(make_example(kind))
    required = len(wire) - len(kind.__struct_defaults__)
    assert dump(decode_trusted(kind, pack(wire[:required])))[:required] == wire[:required]


@pytest.mark.parametrize(("kind", "place", "hint"), FIELDS)
def test_a_field_of_another_type_is_refused(kind: type[Message], place: int, hint: Any) -> None:
    wire = dump(make_example(kind))
    assert decode_trusted(kind, pack(wire)) == make_example(kind)
    others: dict[object, list[Any]] = {
        str: [None, 1, b"text", ["text"]],
        int: [None, 1.0, True, "1", [1]],
        float: [None, True, "1.5", [1.5]],
        bool: [None, 0, 1, "yes", [True]],
        bytes: [None, "text", 1, [b""]],
        int | None: [1.0, True, "1"],
        float | None: [False, "1"],
        bytes | None: ["text", 1],
    }
    for value in [
        [[[]]],
        {1: 2},
        {"key": "text", "other": b""},
        *others.get(hint, [None, 1, b"text"]),
    ]:
        with pytest.raises(ProtocolError):
            decode_trusted(kind, pack([*wire[:place], value, *wire[place + 1 :]]))


def test_a_whole_number_will_do_for_a_float() -> None:
    registration = decode_trusted(Registration, pack([15, 3]))
    assert registration.heartbeat_seconds == 3.0
    assert isinstance(registration.heartbeat_seconds, float)


def test_what_is_inside_a_map_is_checked_too() -> None:
    wire = dump(make_message(WorkerInfo))
    place = WorkerInfo.__struct_fields__.index("engines")
    for engines in ({"primes": 1}, {1: "numpy"}, {"primes": None}, [["primes", "numpy"]]):
        with pytest.raises(ProtocolError):
            decode_trusted(WorkerInfo, pack([*wire[:place], engines, *wire[place + 1 :]]))


def test_what_is_inside_a_list_is_checked_too() -> None:
    wire = dump(make_message(LeaseRequest))
    for known_jobs in (["a", 1], [["a"]], "ab", {"a": "b"}):
        with pytest.raises(ProtocolError):
            decode_trusted(LeaseRequest, pack([*wire[:-1], known_jobs]))


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 15
    assert all(isinstance(state, str) for state in FINAL_STATES)
