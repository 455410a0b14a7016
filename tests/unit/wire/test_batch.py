from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_wire.batch import check_batch, count_batch, pack_batch, slice_batch, unpack_batch
from headrace_wire.bounds import MAX_BATCH_TASKS
from headrace_wire.errors import ProtocolError


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_a_batch_opens_as_it_was_packed(items: list[bytes]) -> None:
    batch = pack_batch(items)
    assert unpack_batch(batch) == items
    assert count_batch(batch) == len(items)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65535, 65536])
def test_the_header_tells_the_count(count: int) -> None:
    batch = pack_batch([b""] * count)
    assert count_batch(batch) == count
    assert count_batch(batch[:5]) == count
    assert len(unpack_batch(batch)) == count


@given(st.lists(st.binary(max_size=4), max_size=20), st.data())
def test_a_slice_is_the_batch_of_a_slice(items: list[bytes], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(items)))
    stop = data.draw(st.integers(start, len(items)))
    assert slice_batch(pack_batch(items), start, stop) == pack_batch(items[start:stop])


def test_a_slice_of_everything_is_the_batch_itself() -> None:
    batch = pack_batch([b"a", b"b"])
    assert slice_batch(batch, 0, 2) is batch


@pytest.mark.parametrize(
    "batch",
    [
        b"",
        b"\xc1",
        msgpack.packb(None),
        msgpack.packb(b"abc"),
        msgpack.packb({}),
        msgpack.packb(["text"]),
        msgpack.packb([b"a", None]),
        msgpack.packb([[b"a"]]),
        msgpack.packb([msgpack.ExtType(5, b"a")]),
        b"\x91\x81\x90\x01",
        pack_batch([b"a", b"b"])[:-1],
        pack_batch([b"a"]) + b"\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 5000,
    ],
)
def test_what_is_no_batch_is_a_value_error(batch: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgpack has a message for each
        unpack_batch(batch)


@given(st.binary(max_size=100))
def test_no_bytes_do_more_than_a_value_error(batch: bytes) -> None:
    for read in (unpack_batch, count_batch):
        try:
            read(batch)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "batch", [b"", b"\xdc", b"\xdc\x00", b"\xdd\x00\x00\x00", msgpack.packb(b"abc"), b"\x80"]
)
def test_a_count_is_not_read_from_what_does_not_begin_as_a_batch(batch: bytes) -> None:
    with pytest.raises(ValueError, match="not a batch"):
        count_batch(batch)


@pytest.mark.parametrize("sizes", [[], [0], [255, 256], [65535, 65536], [1] * 15, [0] * 70_000])
def test_a_whole_batch_is_counted(sizes: list[int]) -> None:
    assert check_batch(pack_batch([bytes(size) for size in sizes])) == len(sizes)


@pytest.mark.parametrize(
    "batch",
    [
        b"",
        b"\xc0",
        b"\x91",
        b"\xdc\x00",
        b"\xdd\x00\x10\x00\x00",
        b"\xdd\xff\xff\xff\xff",
        b"\x91\x01",
        b"\x91\xa1a",
        b"\x91\xc0",
        b"\x91\x90",
        b"\x91\xc4",
        b"\x91\xc4\x05abcd",
        b"\x91\xc4\x05abcdefg",
        b"\x91\xc5\x00",
        b"\x91\xc6\xff\xff\xff\xffab",
        b"\x92\xc4\x00",
        b"\x90\xc0",
        pack_batch([b"a", b"b"])[:-1],
        pack_batch([b"a", b"b"]) + b"\x00",
        pack_batch([b""] * (MAX_BATCH_TASKS + 1)),
        pack_batch([b"a"] * 1000)[:-1],
        pack_batch([b"a"] * 1000) + b"\xc4\x00",
        b"\xdc\x00\x20" + b"\xc4\x00" * 31 + b"\xa0\xc0",
        b"\xdc\x00\x20" + b"\xc4\x00" * 31 + b"\x90",
        b"\xdc\x00\x20" + b"\x91" * 5000,
        b"\xdc\x00\x20" + b"\xc4\x00" * 31 + b"\xdd\xff\xff\xff\xff",
        b"\xdc\x00\x20" + b"\xc4\x00" * 31 + b"\x81\x90\xc0",
        pack_batch([bytes(5000)] * 20)[:-1],
    ],
)
def test_what_is_no_whole_batch_is_refused(batch: bytes) -> None:
    with pytest.raises(ProtocolError, match="batch"):
        check_batch(batch)
