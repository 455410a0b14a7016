"""Large payloads follow the structure of a frame, and are not copied on the way to the socket."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_wire.api import JobQueueApi, ResultQueueApi, SharedApi
from headrace_wire.calling import (
    decode_answer,
    decode_arguments,
    decode_call,
    encode_call,
    encode_value,
)
from headrace_wire.errors import BoundsError, ProtocolError, UsageError
from headrace_wire.framing import write_frame
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.results import Fetched, ResultSpan
from headrace_wire.messages.shared import SharedAnswer, SharedCall
from headrace_wire.parts import LARGE_BYTES, join
from headrace_wire.payloads import INLINE_BYTES, MAX_STRUCTURE_BYTES
from headrace_wire.signature import read_signatures
from support.wire_messages import make_message

JOBS, RESULTS, SHARED = map(read_signatures, (JobQueueApi, ResultQueueApi, SharedApi))
LARGE = bytes(range(256)) * (INLINE_BYTES // 256 + 1)


def travel(signature: Any, *arguments: Any) -> tuple[Any, ...]:
    """The arguments of a call, as they arrive."""
    frame = join(encode_call("name", "method", signature.arguments(*arguments)))
    return decode_arguments(signature, *decode_call(frame))


@given(st.lists(st.binary(max_size=40) | st.sampled_from([LARGE, LARGE[1:]]), max_size=5))
def test_payloads_of_any_size_arrive_in_their_places(values: list[bytes]) -> None:
    runs = tuple(make_message(DoneSpan, values=value) for value in values)
    failures = tuple(make_message(TaskFailure, detail=value) for value in values)
    report = make_message(Report, done=runs, failures=failures)
    assert travel(RESULTS["report"], report) == (report,)
    call = make_message(SharedCall, values=tuple(values))
    assert travel(SHARED["change"], call) == (call,)
    answer = SharedAnswer(values=tuple(values))
    assert decode_answer(SHARED["read"], join(encode_value(answer))) == answer


def test_payloads_that_are_arguments_or_answers_themselves_arrive() -> None:
    assert travel(JOBS["put"], "job", 7, LARGE) == ("job", 7, LARGE)
    assert decode_answer(JOBS["read"], join(encode_value(LARGE))) == LARGE
    assert decode_answer(JOBS["read"], join(encode_value(b"x"))) == b"x"


def test_a_frame_is_let_go_without_the_garbage_collector() -> None:
    frame = bytearray(join(encode_value(make_message(SharedAnswer, values=(LARGE, LARGE)))))
    gc.disable()
    try:
        assert decode_answer(SHARED["read"], frame).values == (LARGE, LARGE)
        frame.clear()  # BufferError if anything still refers to it
    finally:
        gc.enable()


def test_large_payloads_are_not_copied_on_their_way_to_the_socket() -> None:
    runs = tuple(ResultSpan(place, place + 1, LARGE) for place in range(3))
    parts = encode_value(make_message(Fetched, runs=runs))
    assert sum(part is LARGE for part in parts) == 3
    assert len(parts[0]) < 1000


def test_many_small_payloads_are_sent_in_few_pieces() -> None:
    call = make_message(SharedCall, values=(b"x" * 20,) * 100_000)
    pieces = list(write_frame(encode_call("shared", "change", SHARED["change"].arguments(call))))
    assert len(pieces) <= sum(map(len, pieces)) // LARGE_BYTES + 2


def test_a_structure_that_is_too_long_is_not_sent() -> None:
    arguments = SHARED["names"].arguments("x" * (MAX_STRUCTURE_BYTES + 1))
    with pytest.raises(UsageError, match=r"too large .* send less at a time$"):
        encode_call("shared", "names", arguments)


def test_a_structure_that_is_too_long_is_not_looked_at() -> None:
    nested = b"\xdd\x00\xff\xff\xff" + b"\x90" * 0xFFFFFF
    frame = b"\x94\xc0\xa6status\x91" + nested + b"\x80"
    tracemalloc.start()
    try:
        with pytest.raises(EOFError):
            decode_call(frame)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


@pytest.mark.parametrize("method", ["report", "fetch", "logs"])
def test_lists_that_are_not_wanted_are_counted_and_not_built(method: str) -> None:
    nested = b"\xdd\x00\x0f\xff\xff" + b"\x90" * 0xFFFFF
    call = decode_call(b"\x94\xc0\xa6" + method.encode().ljust(6) + b"\x91" + nested + b"\x80")
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            decode_arguments(RESULTS[method], *call)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1 << 20


def mark(structure: object, payloads: bytes, length: int | None = None) -> bytes:
    """A frame with payloads behind its structure."""
    packed: bytes = msgpack.packb(structure)
    return b"\xc1" + (len(packed) if length is None else length).to_bytes(4) + packed + payloads


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1",
        b"\xc1\x00\x00",
        mark([None, "put", ["job", 0, 3], {}], b"abc", length=0),
        mark([None, "put", ["job", 0, 3], {}], b"abc", length=2**32 - 1),
        mark([None, "put", ["job", 0, 3], {}], b"abc", length=MAX_STRUCTURE_BYTES + 1),
    ],
)
def test_a_frame_that_ends_within_its_structure_is_no_call(frame: bytes) -> None:
    with pytest.raises(EOFError):
        decode_call(frame)


@pytest.mark.parametrize(
    ("arguments", "payloads"),
    [
        (["job", 0, 3], b"ab"),
        (["job", 0, 3], b"abcd"),
        (["job", 0, 3], b""),
        (["job", 0, b"abc"], b"abc"),
        (["job", 0, "abc"], b""),
        (["job", 0, None], b""),
        (["job", 0, True], b"a"),
    ],
)
def test_payloads_that_are_not_as_long_as_was_said_are_a_protocol_error(
    arguments: list[Any], payloads: bytes
) -> None:
    call = decode_call(mark([None, "put", arguments, {}], payloads))
    with pytest.raises(ProtocolError):
        decode_arguments(JOBS["put"], *call)


def test_a_length_where_no_payload_follows_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        decode_arguments(JOBS["put"], *decode_call(msgpack.packb([None, "put", ["job", 0, 3], {}])))


@pytest.mark.parametrize("length", [-1, 2**40, 2**64 - 1])
def test_a_length_out_of_bounds_is_refused(length: int) -> None:
    call = decode_call(mark([None, "put", ["job", 0, length], {}], b"abc"))
    with pytest.raises(BoundsError, match=r"^inputs must be at most \d+ bytes, not "):
        decode_arguments(JOBS["put"], *call)


def test_parameters_beyond_their_bounds_are_refused_wherever_they_stand() -> None:
    spec = make_message(JobSpec, parameters=bytes((4 << 20) + 1))
    with pytest.raises(BoundsError, match=r"^parameters must be at most 4194304 bytes"):
        travel(JOBS["submit"], spec)


def test_text_that_is_no_utf8_is_escaped() -> None:
    failure = make_message(TaskFailure, summary="caf\udce9.jpg", detail=LARGE)
    (report,) = travel(RESULTS["report"], make_message(Report, failures=(failure,)))
    assert report.failures[0].summary == "caf\\udce9.jpg"
    assert report.failures[0].detail == LARGE
