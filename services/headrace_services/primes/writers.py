"""Writes primes as lines of text, as a NumPy array file, or as one JSON array.

A writer gets gap codes in order and writes them as they come. Its memory does not grow with the
number of primes.
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

#: The largest stop whose primes are written as int64. Beyond, they are uint64.
_INT64_STOP = 2**63
#: How many bytes an array file's header has. It is padded, so that the count can be added later.
_HEAD_BYTES = 128
#: How many bytes of gap code are held in memory before they are moved to a temporary file.
_SPOOL_BYTES = 16 * 2**20


class Writer(Protocol):
    """Writes primes to a file in one format."""

    def __call__(
        self, values: Iterable[bytes], file: BinaryIO, *, stop: int, rewindable: bool
    ) -> int:
        """Write the primes of a range that ends at ``stop``, and return how many there were.

        ``rewindable`` says whether the beginning of the file may be overwritten later.
        """
        ...


def write_text(values: Iterable[bytes], file: BinaryIO, *, stop: int, rewindable: bool) -> int:
    """Write one prime per line."""
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
    # It is written before the next number, so that nothing follows the last one.
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
    """Write a NumPy array file, of int64, or of uint64 if ``stop`` is beyond 2^63.

    Its header contains the count. If the header cannot be overwritten later, the gap codes, which
    have an eighth of the array's size, wait in a temporary file until all are there.
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


#: The names of the formats. The first one is the default.
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
    """Return a header of version 1.0 (numpy.lib.format): magic, length, dict as text, padding."""
    text = f"{{'descr': '{kind.str}', 'fortran_order': False, 'shape': ({count},), }}"
    prefix = b"\x93NUMPY\x01\x00" + struct.pack("<H", _HEAD_BYTES - 10)
    return prefix + text.encode().ljust(_HEAD_BYTES - 11) + b"\n"
