from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace_services.primes.decimals import format_numbers


@settings(deadline=None)
@given(
    st.one_of(
        st.integers(0, 2**64), st.integers(0, 19).map(lambda digits: max(10**digits - 50, 0))
    ),
    st.lists(st.integers(0, 3_000_000), max_size=100).map(sorted),
    st.sampled_from([b"\n", b","]),
)
def test_text_is_what_str_makes(base: int, distances: list[int], separator: bytes) -> None:
    text = b"".join(format_numbers(base, np.array(distances, dtype=np.int64), separator))
    assert text == b"".join(b"%d%s" % (base + distance, separator) for distance in distances)


def test_every_number_of_a_block_is_written() -> None:
    text = b"".join(format_numbers(6_999_990, np.arange(1_000_020, dtype=np.int64)))
    assert [int(line) for line in text.split()] == list(range(6_999_990, 8_000_010))
