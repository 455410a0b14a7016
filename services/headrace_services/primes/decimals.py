"""The decimal text of ascending numbers, which NumPy makes for ranges of a million at a time.

The numbers from k * 10^6 to (k + 1) * 10^6 only differ in their last six digits. A row is a number
and a separator. Its last eight bytes are one 64-bit integer, which consists of a digit of k, six
digits from a table, and the separator. So rows are made by repeating the first digits, and then
these integers are written into all rows at once. This takes about 7 ns per number and is ten times
faster than ``str``.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: The numbers of a block, which have the same digits except for the last six.
_BLOCK = 10**6
#: How many bytes a row's integer has: a digit of the block's number, six digits, the separator.
_TAIL_BYTES = 8


def format_numbers(
    base: int, distances: NDArray[np.int64], separator: bytes = b"\n"
) -> Iterator[bytes | bytearray]:
    """Write ``base`` plus each distance in decimal, each followed by the separator (one byte).

    The distances are ascending and not negative. Yields the text in pieces.
    """
    first = 0
    while first < len(distances):
        block = (base + int(distances[first])) // _BLOCK
        end = int(np.searchsorted(distances, (block + 1) * _BLOCK - base))
        indices = distances[first:end] + (base - block * _BLOCK)
        if block:
            yield _format_block(block, indices, separator)
        else:
            text = separator.decode()
            yield "".join([f"{number}{text}" for number in indices.tolist()]).encode()
        first = end


def _format_block(block: int, indices: NDArray[np.int64], separator: bytes) -> bytearray:
    head = str(block).encode()
    tails = _make_tails(separator).take(indices)
    tails |= np.uint64(head[-1])
    rows = bytearray(head[:-1] + bytes(_TAIL_BYTES)) * len(indices)
    layout = np.dtype([("head", f"V{len(head) - 1}"), ("tail", "<u8")])
    np.frombuffer(rows, dtype=layout)["tail"] = tails
    return rows


@cache
def _make_tails(separator: bytes) -> NDArray[np.uint64]:
    """Return eight bytes for each of 000000 to 999999: a zero byte, six digits, the separator."""
    rows = np.zeros((_BLOCK, _TAIL_BYTES), dtype=np.uint8)
    numbers = np.arange(_BLOCK, dtype=np.uint32)
    for column in range(6, 0, -1):
        numbers, digits = np.divmod(numbers, np.uint32(10))
        rows[:, column] = digits + ord("0")
    rows[:, 7] = separator[0]
    return rows.view("<u8").ravel()
