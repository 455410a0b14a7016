"""WebP files: corrects the frames of animations that were encoded by libvips and libwebp.

libvips replaces times of 10 ms or less by 100 ms, and libwebp merges equal frames into one, which
is shown as long as all of them. This module gives each frame its own time back. A file is in RIFF
format: chunks of a name, a size and a body that is padded to an even length. The frames of an
animation are ANMF chunks (Google's "WebP Container Specification").
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Chunk = tuple[bytes, bytes]

#: The shortest time in milliseconds that libvips does not change to 100.
SHORTEST_KEPT_MS = 11

#: The longest time of a frame, in milliseconds.
LONGEST_MS = 2**24 - 1

#: How many bytes a frame's header has: position, size, time and flags.
_HEAD_BYTES = 16
_TIME = slice(12, 15)
_FLAGS = 15
_DISPOSES = 1

#: The chunks that make up a picture.
_PICTURE_CHUNKS = frozenset({b"ALPH", b"VP8 ", b"VP8L"})

#: Flags in the header of a file: it has an animation, and it has transparency.
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
    """Give every frame its own time, including those that were merged with the one before them.

    A file with transparent frames is also marked as transparent, which libwebp may omit.

    ``asked_ms`` are the times that the encoder was given, all above 0, and ``wanted_ms`` are the
    right ones. ``nothing`` is a WebP of one transparent pixel, which is used as the content of a
    frame that is equal to the one before it.
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
        if body[_FLAGS] & _DISPOSES:  # the next frame would be drawn on a cleared area
            times = [sum(times)]
        restored.append((name, _set_time(body, times[0])))
        restored += [(name, _set_time(bytes(_HEAD_BYTES) + added, time)) for time in times[1:]]
    if is_transparent or len(restored) > len(chunks):
        name, head = restored[0]
        restored[0] = (name, bytes([head[0] | _TRANSPARENT]) + head[1:])
    content = b"WEBP" + b"".join(_pack(*chunk) for chunk in restored)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _take(left: Iterator[tuple[int, int]], shown_ms: int) -> list[int]:
    """Return the wanted times of the frames that were merged into one of ``shown_ms``."""
    times: list[int] = []
    for asked, wanted in left:
        times.append(wanted)
        shown_ms -= asked
        if shown_ms <= 0:
            break
    return times or [shown_ms]


def _animate(chunks: list[Chunk], time_ms: int, loop: int) -> list[Chunk]:
    """Make an animation of a still picture, which libwebp writes if all frames are equal."""
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
    """Return a header for a file that has none, with the size that its picture says."""
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
