"""Frames come out whole, however their bytes arrive, and memory is taken for what has come."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_wire.framing import (
    EAGER_BYTES,
    MAX_FRAME_BYTES,
    READ_BYTES,
    WRITE_BYTES,
    FrameReader,
    FrameTooLargeError,
    write_frame,
    write_header,
)
from headrace_wire.parts import LARGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace_wire.framing import Body

#: Lengths at which something changes.
LENGTHS = [0, 1, 3, READ_BYTES - 5, READ_BYTES - 4, READ_BYTES - 3, READ_BYTES, 5 * READ_BYTES]


def feed(reader: FrameReader, data: bytes) -> None:
    """Have bytes arrive, in as many reads as the reader's buffers need."""
    left = memoryview(data)
    while left:
        buffer = reader.get_buffer()
        assert len(buffer), "a buffer is never empty"
        count = min(len(buffer), len(left))
        buffer[:count] = left[:count]
        reader.buffer_updated(count)
        left = left[count:]


def take_all(reader: FrameReader) -> list[Body]:
    frames: list[Body] = []
    while (frame := reader.take()) is not None:
        frames.append(frame)
    return frames


def make_frame(body: bytes) -> bytes:
    return write_header(len(body)) + body


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(bounds)]


@given(
    lengths=st.lists(st.sampled_from(LENGTHS), max_size=6),
    places=st.lists(st.integers(0, 10 * READ_BYTES), max_size=8),
    taking=st.booleans(),
)
def test_frames_come_out_as_they_went_in(
    lengths: list[int],
    places: list[int],
    taking: bool,
) -> None:
    bodies = [bytes([number]) * length for number, length in enumerate(lengths)]
    data = b"".join(map(make_frame, bodies))
    reader = FrameReader(MAX_FRAME_BYTES)
    frames: list[Body] = []
    for piece in cut(data, places):
        feed(reader, piece)
        if taking:
            frames += take_all(reader)
    frames += take_all(reader)
    assert frames == bodies
    assert reader.bytes_in == len(data)
    assert not reader.begun


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_is_not_whole_before_its_last_byte(length: int) -> None:
    reader = FrameReader(MAX_FRAME_BYTES)
    data = make_frame(bytes(length))
    feed(reader, data[:-1])
    assert reader.take() is None
    assert reader.begun
    feed(reader, data[-1:])
    assert reader.take() == bytes(length)


def test_a_reader_that_waits_holds_no_memory() -> None:
    reader = FrameReader(MAX_FRAME_BYTES)
    feed(reader, make_frame(b"first") + make_frame(b"second"))
    assert take_all(reader) == [b"first", b"second"]
    assert not reader._loose


@pytest.mark.parametrize("length", [4097, 0x7FFFFFFF, -1, -2])
def test_a_frame_over_the_cap_is_refused_at_its_header(length: int) -> None:
    reader = FrameReader(4096)
    feed(reader, struct.pack("!i", length))
    with pytest.raises(FrameTooLargeError, match=str(length)):
        reader.take()


def test_memory_grows_with_what_arrives_and_not_with_what_is_announced() -> None:
    reader = FrameReader(MAX_FRAME_BYTES)
    tracemalloc.start()
    try:
        feed(reader, write_header(MAX_FRAME_BYTES))
        assert reader.take() is None
        feed(reader, bytes(EAGER_BYTES))
        assert reader.take() is None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * EAGER_BYTES


def test_a_reader_at_its_end_holds_whole_frames_and_no_parts_of_a_long_one() -> None:
    reader = FrameReader(MAX_FRAME_BYTES)
    feed(reader, make_frame(b"whole") + write_header(EAGER_BYTES) + bytes(READ_BYTES))
    assert reader.take() == b"whole"
    assert reader.take() is None
    reader.end()
    assert reader._body is None
    feed(reader, make_frame(bytes(EAGER_BYTES)))
    reader.end()
    assert reader.take() == bytes(EAGER_BYTES)


def test_a_long_body_is_read_to_where_it_stays() -> None:
    reader = FrameReader(MAX_FRAME_BYTES)
    feed(reader, write_header(EAGER_BYTES))
    assert reader.take() is None
    buffer = reader.get_buffer()
    assert len(buffer) == EAGER_BYTES, "all that is missing may come in one read"
    buffer[:] = b"x" * EAGER_BYTES
    reader.buffer_updated(EAGER_BYTES)
    body = reader.take()
    assert body == b"x" * EAGER_BYTES
    assert buffer.obj is body


@given(st.lists(st.sampled_from([0, 1, 100, LARGE_BYTES - 1, LARGE_BYTES, LARGE_BYTES + 1])))
def test_writes_are_the_same_bytes_and_large_parts_are_not_copied(lengths: list[int]) -> None:
    parts = [bytes([number % 256]) * length for number, length in enumerate(lengths)]
    pieces = list(write_frame(parts))
    assert b"".join(pieces) == write_header(sum(lengths)) + b"".join(parts)
    large = [part for part in parts if len(part) >= LARGE_BYTES]
    assert [piece.obj for piece in pieces if isinstance(piece, memoryview)] == large
    small = [piece for piece in pieces if isinstance(piece, bytes)]
    assert all(len(piece) < 2 * LARGE_BYTES for piece in small)
    assert len(pieces) <= 2 * len(large) + sum(map(len, small)) // LARGE_BYTES + 1


def test_a_very_large_part_is_written_in_slices_of_itself() -> None:
    part = bytes(2 * WRITE_BYTES + 1)
    header, *pieces = map(len, write_frame([part]))
    assert header == len(write_header(0))
    assert pieces == [WRITE_BYTES, WRITE_BYTES, 1]


def test_a_guarded_reader_fills_pages_of_a_large_frame_and_copies_little() -> None:
    frames = FrameReader(MAX_FRAME_BYTES)
    frames.is_guarded = True
    body = bytes(range(256)) * (160 << 10)  # 40 MiB
    rest = memoryview(write_header(len(body)) + body)
    whole = None
    while rest:
        frames.grow()
        with frames.get_buffer() as view:
            count = min(len(view), len(rest))
            view[:count] = rest[:count]
        frames.buffer_updated(count)
        rest = rest[count:]
        whole = frames.take()
    assert whole is not None
    assert bytes(whole) == body
    assert not frames.begun
