"""Primes as people want them: lines of text, a NumPy array file, or one JSON array.

A writer takes gap codes in order and writes as it goes; memory does not grow with the primes.
"""

from __future__ import annotations

import struct
import tempfile
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from headrace_services.primes.decimals import format_numbers
from headrace_services.primes.gaps import decode_runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Largest stop whose primes are written as int64; beyond, they are uint64.
_INT64_STOP = 2**63
#: Bytes of an array file's head; padded, so that it can be written again with the count.
_HEAD_BYTES = 128
#: Bytes of gap code that are held in memory before they go to a temporary file.
_SPOOL_BYTES = 16 * 2**20


class Writer(Protocol):
    """Writes primes to a file in one format."""

    def __call__(
        self, values: Iterable[bytes], file: BinaryIO, *, stop: int, rewindable: bool
    ) -> int:
        """Write the primes of a range that ends at ``stop``; returns how many there were.

        ``rewindable`` tells whether the file may be written again from its beginning.
        """
        ...


def write_text(values: Iterable[bytes], file: BinaryIO, *, stop: int, rewindable: bool) -> int:
    """Write one prime a line."""
    del stop, rewindable
    found = 0
    for value in values:
        for base, distances in decode_runs(value):
            found += len(distances)
            file.writelines(format_numbers(base, distances))
    return found


def write_json(values: Iterable[bytes], file: BinaryIO, *, stop: int, rewindable: bool) -> int:
    """Write one array of numbers, on one line."""
    del stop, rewindable
    found = 0
    # What goes before the next number: only so has the last one nothing behind it.
    opening = b"["
    for value in values:
        for base, distances in decode_runs(value):
            found += len(distances)
            for text in format_numbers(base, distances, b","):
                file.write(opening)
                file.write(memoryview(text)[:-1])
                opening = b","
    file.write(b"]\n" if found else b"[]\n")
    return found


def write_npy(values: Iterable[bytes], file: BinaryIO, *, stop: int, rewindable: bool) -> int:
    """Write a NumPy array file, of int64, or of uint64 where ``stop`` is beyond 2^63.

    Its head tells the count. Where it cannot be written again, the gap codes, an eighth of the
    array, wait in a temporary file until all are there.
    """
    kind = np.dtype("<i8" if stop <= _INT64_STOP else "<u8")
    if rewindable:
        file.write(_make_head(kind, 0))
        found = _write_array(values, file, kind)
        file.seek(0)
        file.write(_make_head(kind, found))
        return found
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        found = 0
        for value in values:
            found += sum(len(distances) for _, distances in decode_runs(value))
            spool.write(struct.pack("<Q", len(value)) + value)
        spool.seek(0)
        file.write(_make_head(kind, found))
        return _write_array(_read_back(spool), file, kind)


#: The words for the formats, the default first.
WRITERS: dict[str, Writer] = {"text": write_text, "npy": write_npy, "json": write_json}


def _write_array(values: Iterable[bytes], file: BinaryIO, kind: np.dtype[np.generic]) -> int:
    found = 0
    for value in values:
        for base, distances in decode_runs(value):
            primes = distances.astype(np.uint64) + np.uint64(base)
            file.write(primes.astype(kind).data.cast("B"))
            found += len(primes)
    return found


def _read_back(spool: tempfile.SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    while length := spool.read(8):
        yield spool.read(struct.unpack("<Q", length)[0])


def _make_head(kind: np.dtype[np.generic], count: int) -> bytes:
    """Head of format version 1.0 (numpy.lib.format): magic, length, a dict as text, padding."""
    text = f"{{'descr': '{kind.str}', 'fortran_order': False, 'shape': ({count},), }}"
    prefix = b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEAD_BYTES - 10)
    return prefix + text.encode().ljust(_HEAD_BYTES - 11) + b"\n"
