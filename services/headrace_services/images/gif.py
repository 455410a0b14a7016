"""GIF files: how long each frame is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The first bytes of blocks, and the label of the block that holds a frame's time.
_EXTENSION = 0x21
_FRAME = 0x2C
_CONTROL = 0xF9


def read_delays(data: bytes) -> Iterator[int]:
    """Yield each frame's time in milliseconds. For a time of 0, libvips would report 100.

    If the file ends within a frame, this raises EOFError after the last complete frame.
    """
    at, delay = 13 + _palette_bytes(data, 10), 0
    while at + 10 < len(data):
        if data[at] == _EXTENSION:
            if data[at + 1] == _CONTROL:
                delay = 10 * int.from_bytes(data[at + 4 : at + 6], "little")
            at = _skip_blocks(data, at + 2)
        elif data[at] == _FRAME:
            at = _skip_blocks(data, at + 11 + _palette_bytes(data, at + 9))
            if at > len(data):
                break
            yield delay
            delay = 0
        else:
            return
    if at > len(data) or data[at : at + 1] == bytes([_FRAME]):
        raise EOFError


def _palette_bytes(data: bytes, flags_at: int) -> int:
    flags = data[flags_at]
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
