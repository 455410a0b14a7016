"""WebP files: the frames of animations as their encoder must not leave them.

libvips shows frames of 10 ms or less for 100, and libwebp shows one of several equal frames for as
long as all of them: here each frame gets its own time back. A file is RIFF: chunks of a name, a
size and a body padded to even; an animation's frames are ANMF chunks (Google's "WebP Container
Specification").
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Chunk = tuple[bytes, bytes]

#: What libvips leaves as it is, in milliseconds: anything less becomes 100.
SHORTEST_KEPT_MS = 11

#: The longest time of a frame, in milliseconds.
LONGEST_MS = 2**24 - 1

#: Bytes of a frame's head: place, size, time and flags.
_HEAD_BYTES = 16
_TIME = slice(12, 15)
_FLAGS = 15
_DISPOSES = 1

#: What makes up a picture.
_PICTURE_CHUNKS = frozenset({b"ALPH", b"VP8 ", b"VP8L"})

#: In the head of a file: it has an animation, it has transparency.
_ANIMATED = 0x02
_TRANSPARENT = 0x10


def restore_frames(
    encoded: bytes,
    asked_ms: Sequence[int],
    wanted_ms: Sequence[int],
    loop: int,
    nothing: bytes,
    *,
    is_transparent: bool,
) -> bytes:
    """Give every frame its own time, those that were merged with the one before them too.

    A file whose frames leave out what is transparent is told to be so, which libwebp forgets.

    ``asked_ms`` are the times that the encoder was given, all over 0, and ``wanted_ms`` the right
    ones; ``nothing`` is a WebP of one transparent pixel, which is what a frame adds that is equal
    to the one before it.
    """
    chunks = list(_read_chunks(encoded))
    if not any(name == b"ANMF" for name, _ in chunks):
        chunks = _animate(chunks, sum(asked_ms), loop)
    added = b"".join(_pack(*chunk) for chunk in _read_chunks(nothing) if chunk[0] == b"VP8L")
    left = iter(zip(asked_ms, wanted_ms, strict=True))
    restored: list[Chunk] = []
    for name, body in chunks:
        if name != b"ANMF":
            restored.append((name, body))
            continue
        times = _take(left, int.from_bytes(body[_TIME], "little"))
        if body[_FLAGS] & _DISPOSES:  # what follows would be drawn on a cleared place
            times = [sum(times)]
        restored.append((name, _set_time(body, times[0])))
        restored += [(name, _set_time(bytes(_HEAD_BYTES) + added, time)) for time in times[1:]]
    if is_transparent or len(restored) > len(chunks):
        name, head = restored[0]
        restored[0] = (name, bytes([head[0] | _TRANSPARENT]) + head[1:])
    content = b"WEBP" + b"".join(_pack(*chunk) for chunk in restored)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _take(left: Iterator[tuple[int, int]], shown_ms: int) -> list[int]:
    """The wanted times of the frames that are shown as one, for ``shown_ms`` altogether."""
    times: list[int] = []
    for asked, wanted in left:
        times.append(wanted)
        shown_ms -= asked
        if shown_ms <= 0:
            break
    return times or [shown_ms]


def _animate(chunks: list[Chunk], time_ms: int, loop: int) -> list[Chunk]:
    """Make an animation of a still picture, as which libwebp writes frames that are all equal."""
    picture = [chunk for chunk in chunks if chunk[0] in _PICTURE_CHUNKS]
    rest = [chunk for chunk in chunks if chunk[0] not in _PICTURE_CHUNKS | {b"VP8X"}]
    head = next((body for name, body in chunks if name == b"VP8X"), None) or _make_head(picture)
    frame = bytes(6) + head[4:10] + bytes(4) + b"".join(_pack(*chunk) for chunk in picture)
    before = [chunk for chunk in rest if chunk[0] == b"ICCP"]
    after = [chunk for chunk in rest if chunk[0] != b"ICCP"]
    return [
        (b"VP8X", bytes([head[0] | _ANIMATED]) + head[1:]),
        *before,
        (b"ANIM", struct.pack("<IH", 0xFFFFFFFF, loop)),
        (b"ANMF", _set_time(frame, time_ms)),
        *after,
    ]


def _make_head(picture: list[Chunk]) -> bytes:
    """The head of a file that has none, with the size that its picture says."""
    name, body = picture[-1]
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        width_less_1, height_less_1 = bits & 0x3FFF, bits >> 14 & 0x3FFF
        flags = _TRANSPARENT if bits >> 28 & 1 else 0
    else:
        width, height = (int.from_bytes(body[at : at + 2], "little") for at in (6, 8))
        width_less_1, height_less_1 = (width & 0x3FFF) - 1, (height & 0x3FFF) - 1
        flags = 0
    sides = (side.to_bytes(3, "little") for side in (width_less_1, height_less_1))
    return struct.pack("<I", flags) + b"".join(sides)


def _set_time(frame: bytes, time_ms: int) -> bytes:
    time = min(time_ms, LONGEST_MS).to_bytes(3, "little")
    return frame[: _TIME.start] + time + frame[_TIME.stop :]


def _read_chunks(encoded: bytes) -> Iterator[Chunk]:
    at = 12
    while at + 8 <= len(encoded):
        name, size = struct.unpack_from("<4sI", encoded, at)
        yield name, encoded[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _pack(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
