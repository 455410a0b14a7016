"""Values that nobody should send, as hypothesis draws them, and their bytes."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import msgpack
from hypothesis import strategies as st

from support.calls_of_api import BROKEN, list_places

#: What is most likely to be taken for something else, or to have no place anywhere.
WORST: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1, -(2**63),
    0.0, -0.0, 0.001, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324,
    "", "x" * 300, "\udcff", "a\x00b", "\x1b]0;x\x07\x1b[2J", "a\nb", "\u202e", "../../x", "/x",
    b"", b"\xc1", b"\x00" * 300, b"\xdd\xff\xff\xff\xff", b"\x91" * 2000, [], {}, [[[]]] * 300,
]  # fmt: skip

#: Any of them, and others.
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(WORST),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.text(max_size=9),
    st.binary(max_size=9),
)

#: The same nested in any way.
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.integers(-1, 9), inner, max_size=3)
    ),
    max_leaves=8,
)


def pack(value: object) -> bytes:
    """What msgpack makes of a value, half surrogates and all."""
    packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    return packed


def unpack(data: bytes) -> Any:
    """What a target was given, where it is a value. Raises ValueError."""
    try:
        return msgpack.unpackb(data, strict_map_key=False, unicode_errors="surrogatepass")
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError("this is no value") from error


@st.composite
def change_values(draw: st.DrawFn, seeds: Sequence[Any]) -> Any:
    """One of these values, with up to three others within it."""
    tree = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 3))):
        places = list(list_places(tree))
        if not places:
            break
        places[draw(st.integers(0, len(places) - 1))](copy.deepcopy(draw(TREES)))
    return tree


@st.composite
def change_bytes(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """One of these byte strings: changed, cut, or with something put in between."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        place = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 4)):
            case 0:
                del data[place:]
            case 1:
                data[place:place] = draw(st.sampled_from(BROKEN) | st.binary(max_size=9))
            case 2:
                del data[place : place + draw(st.integers(1, 9))]
            case _:
                data[place] = draw(st.integers(0, 255))
    return bytes(data)


def draw_packed(seeds: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """Packed values: changed as values, changed as bytes, and what is none."""
    return st.one_of(
        change_values(seeds).map(pack),
        change_bytes([pack(seed) for seed in seeds]),
        TREES.map(pack),
        st.sampled_from(BROKEN),
        st.binary(max_size=40),
    )
