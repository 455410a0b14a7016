"""Messages with more fields than are known here."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from headrace_wire.api import APIS
from headrace_wire.errors import BoundsError, ProtocolError
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.message import Message, decode, decode_trusted
from headrace_wire.messages.failures import ERROR, TaskFailure
from headrace_wire.messages.jobs import JobFilter, JobStatus
from headrace_wire.messages.leases import Grant, Lease
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.newer import loosen, tighten
from headrace_wire.payloads import encode, split
from headrace_wire.signature import read_signatures
from support.next_version import grow
from support.wire_messages import MESSAGES, make_example, make_message


def send(message: Any) -> tuple[Any, Any]:
    """The structure of a message in a frame, and its payloads."""
    frame = b"".join(bytes(part) for part in encode((), message, MAX_FRAME_BYTES))
    structure, payloads = split(frame, MAX_FRAME_BYTES)
    return bytes(structure)[1:], payloads  # without the array around it


def read_types(value: object) -> list[type]:
    """The classes of a message and of all in it."""
    if isinstance(value, Struct):
        parts = [getattr(value, name) for name in value.__struct_fields__]
        return [type(value), *[found for one in parts for found in read_types(one)]]
    if isinstance(value, tuple | dict):
        return [found for one in (value.values() if isinstance(value, dict) else value)
                for found in read_types(one)]  # fmt: skip
    return []


@pytest.mark.parametrize("read", [decode, decode_trusted])
@pytest.mark.parametrize("kind", MESSAGES)
def test_what_a_newer_version_adds_is_ignored(kind: type[Message], read: Any) -> None:
    message = make_example(kind)
    structure, payloads = send(grow(kind, message))
    found = read(kind, structure, payloads, is_newer=True)
    assert found == message
    assert read_types(found) == read_types(message)
    with pytest.raises(ProtocolError, match="malformed"):
        read(kind, structure, payloads)


@pytest.mark.parametrize("kind", MESSAGES)
def test_an_older_message_of_a_newer_version_is_as_good(kind: type[Message]) -> None:
    message = make_example(kind)
    assert decode(kind, *send(message), is_newer=True) == message


def test_types_that_are_equal_are_one() -> None:
    first, second = (float | None for _ in range(2))
    assert first is not second
    for value, hint in ((1.0, first), (2.0, second)):
        assert loosen(hint) == hint
        assert tighten(hint, value) == value


def test_large_payloads_come_as_they_were_sent() -> None:
    values = b"x" * 200_000
    report = make_message(Report, done=(make_message(DoneSpan, values=values),) * 2)
    assert decode(Report, *send(grow(Report, report)), is_newer=True) == report
    grant = Grant((make_message(Lease, inputs=(values, values), parameters=None),))
    assert decode_trusted(Grant, *send(grow(Grant, grant)), is_newer=True) == grant


def test_bounds_hold_as_ever() -> None:
    report = make_message(Report, done=(make_message(DoneSpan, cpu_seconds=-1.0),))
    with pytest.raises(BoundsError, match="cpu_seconds must be a number from 0"):
        decode(Report, *send(grow(Report, report)), is_newer=True)


def test_fields_that_are_missing_are_missed_as_ever() -> None:
    with pytest.raises(ProtocolError, match="malformed Lease"):
        decode(Lease, b"\x92\x01\xa3job", is_newer=True)


def test_a_failure_for_a_reason_that_is_not_known_is_an_error() -> None:
    failure = make_message(TaskFailure, reason="quota", message="too many pages")
    for read in (decode, decode_trusted):
        found = read(TaskFailure, *send(grow(TaskFailure, failure)), is_newer=True)
        assert (found.reason, found.message) == (ERROR, "too many pages")
    with pytest.raises(BoundsError, match="reason must be one of error, timeout"):
        decode(TaskFailure, *send(failure))


def test_a_state_that_is_not_known_is_shown_and_not_asked_for() -> None:
    status = make_message(JobStatus, state="paused")
    found = decode_trusted(JobStatus, *send(grow(JobStatus, status)), is_newer=True)
    assert str(found.state) == "paused"
    paused: Any = ("paused",)
    with pytest.raises(BoundsError, match="states must be one of queued, running"):
        decode(JobFilter, *send(JobFilter(states=paused)), is_newer=True)


@pytest.mark.parametrize("api", APIS.values())
def test_arguments_that_are_not_known_are_ignored(api: type) -> None:
    for signature in read_signatures(api).values():
        arguments = make_example(signature.arguments)
        sent = send(grow(signature.arguments, arguments))
        assert decode(signature.arguments, *sent, is_newer=True) == arguments
