"""The gap code, which stores consecutive primes in about one byte each.

This is the layout of a value, which is complete in itself:

    nothing                       there is no prime in the run
    8 bytes, little-endian        the first prime
    then for each further prime   half its distance h from the one before:
        k bytes of 0              255 * k, and
        one byte of 1 to 255      the rest of h

Distances between odd primes are even and above 0, so a byte of 0 is free for the meaning "255
more". Below 2^64, h is at most 775 (the largest gap is 1,550), so k is at most 3. The only odd
distance is the one from 2 to 3: a run that begins with 2 is coded as if it began with 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: The maximum size of a value in bytes. Longer ones do not fit into the network's frames.
MAX_VALUE_BYTES = 16 * 2**20

#: How many bytes the first prime has.
_HEAD_BYTES = 8
#: What a byte of 0 stands for.
_ESCAPED = 255
#: How many primes are processed at once, so that temporary arrays fit into a core's cache.
_BATCH = 2**17


def encode_primes(primes: NDArray[np.uint64]) -> bytes:
    """Encode consecutive primes in ascending order.

    Raises ValueError if the value would be longer than 16 MiB.
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
    """Decode a value in pieces: yield a base, and the ascending distances of the next primes from
    it.

    If it contains the prime 2, that is yielded alone. Raises ValueError if it is not a gap code.
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
        # In the middle of an escape this is not a prime, but it is the right base for what follows.
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
