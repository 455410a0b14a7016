"""Frames in parts are the frames that msgpack makes, and large strings in them are not copied."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_wire.parts import (
    LARGE_BYTES,
    MOST_AT_ONCE,
    drop_sent,
    join,
    measure,
    pack_parts,
    send_some,
)

LARGE = bytes(range(256)) * (LARGE_BYTES // 256)


@pytest.mark.parametrize(
    "value",
    [
        LARGE,
        LARGE[1:],
        ["put", ["job", 7, LARGE]],
        ("#RETURN", [[0, 1, LARGE], [1, 2, LARGE + b"x"], [2, 3, b"small"]], None),
        [[LARGE], {"key": LARGE}, "text", 1.5, True, None],
        [LARGE] * 20 + ["x"] * 70_000,
    ],
)
def test_parts_together_are_what_msgpack_makes(value: Any) -> None:
    parts = pack_parts(value)
    assert join(parts) == msgpack.packb(value)
    assert measure(parts) == len(join(parts))


def test_large_strings_are_passed_on_as_they_are() -> None:
    parts = pack_parts(["put", ["job", LARGE, LARGE]])
    assert sum(part is LARGE for part in parts) == 2
    assert pack_parts([LARGE[1:], "x"]) == [msgpack.packb([LARGE[1:], "x"])]


def test_more_parts_than_the_system_takes_are_sent_in_turn() -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        mine.setblocking(False)
        rest: Sequence[bytes | memoryview] = [b"ab"] * (3 * MOST_AT_ONCE)
        received = b""
        while rest:
            rest = send_some(mine, rest)
            received += theirs.recv(1 << 20)
    assert received == b"ab" * (3 * MOST_AT_ONCE)


def test_what_msgpack_cannot_pack_is_its_error() -> None:
    with pytest.raises(TypeError):
        pack_parts([LARGE, object()])


@given(st.lists(st.binary(max_size=5), max_size=5), st.data())
def test_what_is_left_follows_what_was_sent(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts)
    sent = data.draw(st.integers(0, len(whole)))
    rest = drop_sent(parts, sent)
    assert b"".join(rest) == whole[sent:]
    assert all(len(part) for part in rest[:1])
