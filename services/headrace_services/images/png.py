"""PNG files: the chunks before their pixels."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE_BYTES = 8


def read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and bodies of the chunks before the first with pixels.

    A file that is cut off or damaged ends earlier: whoever decodes it will say so.
    """
    at = _SIGNATURE_BYTES
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if name == b"IDAT":
            return
        yield name, data[at + 8 : at + 8 + size]
        at += 12 + size


def count_frames(data: bytes) -> int:
    """How many pictures a PNG holds: more than one where it is animated."""
    frames, is_first_shown = 1, False
    for name, body in read_chunks(data):
        if name == b"acTL" and len(body) >= 4:
            frames = int.from_bytes(body[:4])
        elif name == b"fcTL":
            is_first_shown = True
    # The picture for programs that know no animations may be none of the animation's.
    return frames if is_first_shown or frames == 1 else frames + 1
