from __future__ import annotations

import os
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_wire import errors
from headrace_wire.encoding import (
    ERROR_CODE,
    MAX_ELEMENTS,
    MAX_EXTENSION_BYTES,
    MAX_MESSAGE_CHARACTERS,
    pack,
    unpack,
)
from headrace_wire.errors import HeadraceError, JobStateError, UnknownJobError


def test_an_error_crosses_as_its_class_and_message() -> None:
    error = unpack(pack(["#ERROR", UnknownJobError("there is no job 17")]))[1]
    assert type(error) is UnknownJobError
    assert str(error) == "there is no job 17"


def test_an_error_without_a_message_crosses_with_its_default() -> None:
    assert str(unpack(pack(JobStateError()))) == JobStateError.__doc__


def test_a_foreign_error_crosses_as_its_words_alone() -> None:
    error = unpack(pack(ZeroDivisionError("division by zero")))
    assert type(error) is HeadraceError
    assert str(error) == "ZeroDivisionError('division by zero')"


def test_an_error_code_of_a_newer_version_keeps_its_message() -> None:
    body = msgpack.packb(["invented_later", "what happened"])
    error = unpack(msgpack.packb(msgpack.ExtType(ERROR_CODE, body)))
    assert type(error) is HeadraceError
    assert str(error) == "what happened"


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600", "\udcff"])
def test_a_long_message_is_cut_and_still_crosses(letter: str) -> None:
    error = unpack(pack(HeadraceError(letter * 100_000)))
    assert str(error).startswith(("x", "é", "\U0001f600", "\udcff", "\\ud800"))
    assert len(str(error)) <= MAX_MESSAGE_CHARACTERS * len("\\ud800")


def test_a_file_name_that_is_no_utf8_keeps_its_bytes() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    assert os.fsencode(unpack(pack({"summary": name}))["summary"]) == b"caf\xe9.jpg"


def test_half_a_surrogate_pair_becomes_readable_text() -> None:
    assert unpack(pack(["\ud800 and caf\udce9"])) == ["\\ud800 and caf\\udce9"]


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, 1j, test_a_file_name_that_is_no_utf8_keeps_its_bytes]
)
def test_what_has_no_plain_form_is_refused_by_the_sender(value: object) -> None:
    with pytest.raises(TypeError, match="does not cross the wire"):
        pack([value])


def test_a_number_over_64_bits_is_refused_by_the_sender() -> None:
    with pytest.raises(OverflowError, match="64 bits"):
        pack([2**64])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb(1),
        msgpack.packb(None),
        msgpack.packb("ab"),
        msgpack.packb(["one"]),
        msgpack.packb(["one", "two", "three"]),
        msgpack.packb(["one", 2]),
        msgpack.packb([["one"], "two"]),
        msgpack.packb({"one": "two"}),
        msgpack.packb(["one", "two"]) + b"\x00",
        msgpack.packb(["one", msgpack.ExtType(ERROR_CODE, b"")]),
    ],
)
def test_a_malformed_extension_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgpack has a message for each
        unpack(msgpack.packb(msgpack.ExtType(ERROR_CODE, body)))


@pytest.mark.parametrize("code", [0, 1, 3, 42, 127])
def test_an_unknown_extension_is_refused(code: int) -> None:
    body = msgpack.packb(["one", "two"])
    with pytest.raises(ValueError, match=f"extension, type {code}"):
        unpack(msgpack.packb(msgpack.ExtType(code, body)))


def test_an_oversize_extension_is_refused() -> None:
    for size, good in ((MAX_EXTENSION_BYTES, True), (MAX_EXTENSION_BYTES + 1, False)):
        room = size - len(msgpack.packb(["error", ""])) - 2
        frame = msgpack.packb(msgpack.ExtType(ERROR_CODE, msgpack.packb(["error", "x" * room])))
        if good:
            assert len(str(unpack(frame))) == room
        else:
            with pytest.raises(ValueError, match="max_ext_len"):
                unpack(frame)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        b"\x92\x01",
        b"\x01\x02",
        b"\xa2\xff",
        b"\x81\x90\x01",
        b"\x81\x80\x01",
        b"\x91" * 5000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc7\x05\xff\x00\x00\x00\x00\x00",
    ],
)
def test_a_malformed_frame_is_a_value_error(frame: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgpack has a message for each
        unpack(frame)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_a_value_error(frame: bytes) -> None:
    try:
        unpack(frame)
    except ValueError:
        return


def test_a_header_takes_no_memory_that_the_frame_does_not_fill() -> None:
    claim = b"\xdd" + MAX_ELEMENTS.to_bytes(4)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="max_array_len"):
            unpack(claim * 500)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16 << 20


def test_more_elements_than_any_message_has_are_refused() -> None:
    assert len(unpack(pack([0] * MAX_ELEMENTS))) == MAX_ELEMENTS
    with pytest.raises(ValueError, match="max_array_len"):
        unpack(pack([0] * (MAX_ELEMENTS + 1)))


def test_every_error_has_a_code_of_its_own_and_a_default_message() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, HeadraceError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds) > 10
    for kind in kinds:
        error = unpack(pack(kind()))
        assert type(error) is kind
        assert str(error) == (kind.__doc__ or "").strip() != ""
        assert error.exit_code != errors.EXIT_OK
