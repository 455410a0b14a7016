"""The gap code: a run of consecutive primes in about one byte each.

Layout of a value, which stands alone:

    nothing                       there is no prime in the run
    8 bytes, little-endian        the first prime
    then for each further prime   half its distance h from the one before:
        k bytes of 0              255 * k, and
        one byte of 1 to 255      the rest of h

Distances between odd primes are even and above 0, so a byte of 0 is free to say "255 more"; below
2^64 no h is above 775 (the largest gap there is 1,550), so k is at most 3. The distance from 2 to
3 is the one odd one: a run that begins with 2 is coded as if it began with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Bytes of a value at most; what is longer does not fit the network's frames.
MAX_VALUE_BYTES = 16 * 2**20

#: Bytes of the first prime.
_HEAD_BYTES = 8
#: What a byte of 0 stands for.
_ESCAPED = 255
#: Primes that are worked on at once, so that temporary arrays fit a core's cache.
_BATCH = 2**17


def encode_primes(primes: NDArray[np.uint64]) -> bytes:
    """Encode consecutive primes, ascending.

    Raises ValueError where the value would be longer than 16 MiB.
    """
    if not len(primes):
        return b""
    value = bytearray(int(primes[0]).to_bytes(_HEAD_BYTES, "little"))
    for first in range(0, len(primes) - 1, _BATCH):
        halves = np.diff(primes[first : first + _BATCH + 1])
        if primes[first] == 2:
            halves[0] = 2
        halves >>= np.uint64(1)
        value += _spell(halves)
    if len(value) > MAX_VALUE_BYTES:
        raise ValueError(
            f"{len(primes):,} primes are too many for one task: give the job a smaller span"
        )
    return bytes(value)


def decode_runs(value: bytes) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Decode piece by piece: a base, and the distances of the next primes from it, ascending.

    The prime 2, if it is there, comes alone. Raises ValueError for what is not a gap code.
    """
    if not value:
        return
    if len(value) < _HEAD_BYTES or value[-1] == 0 < len(value) - _HEAD_BYTES:
        raise ValueError("this is not a run of primes in the gap code")
    base = int.from_bytes(value[:_HEAD_BYTES], "little")
    if base == 2:
        yield 2, np.zeros(1, dtype=np.int64)
        base = 1
    else:
        yield base, np.zeros(1, dtype=np.int64)
    code = np.frombuffer(value, dtype=np.uint8, offset=_HEAD_BYTES)
    for first in range(0, len(code), _BATCH):
        piece = code[first : first + _BATCH]
        ends = None
        if not piece.all():
            ends = piece != 0
            piece = np.where(ends, piece, np.uint8(_ESCAPED))
        distances = np.cumsum(piece, dtype=np.int64)
        distances *= 2
        following = base + int(distances[-1])
        if ends is not None:
            distances = distances[ends]
        if len(distances):
            yield base, distances
        # In the midst of an escape this is no prime, yet the right base for what follows.
        base = following


def _spell(halves: NDArray[np.uint64]) -> bytes:
    if int(halves.max()) <= _ESCAPED:
        return halves.astype(np.uint8).tobytes()
    escapes = (halves - np.uint64(1)) // np.uint64(_ESCAPED)
    rests = (halves - escapes * np.uint64(_ESCAPED)).astype(np.uint8)
    ends = np.cumsum(escapes + np.uint64(1)).astype(np.int64) - 1
    spelled = np.zeros(int(ends[-1]) + 1, dtype=np.uint8)
    spelled[ends] = rests
    return spelled.tobytes()
