"""PNG files: the chunks before their pixels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE_BYTES = 8


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and bodies of the chunks before the first one with pixels.

    If the file is truncated or damaged, this ends early; the error is reported by whoever decodes
    it.
    """
    at = _SIGNATURE_BYTES
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            return
        yield name, data[at + 8 : at + 8 + size]
        at += 12 + size


def count_frames(data: bytes) -> int:
    """Return how many pictures a PNG holds, which is more than one if it is animated."""
    frames, is_first_shown = 1, False
    for name, body in read_chunks(data):
        if name == b"acTL" and len(body) >= 4:
            frames = int.from_bytes(body[:4])
        elif name == b"fcTL":
            is_first_shown = True
    # The picture for programs that do not support animations may not be one of the animation's.
    return frames if is_first_shown or frames == 1 else frames + 1
