"""Animations and pages: how many frames a file has, how long each is shown, and how they are saved.

GIF and WebP hold frames with their times, TIFF holds pages; PNG and JPEG hold one picture here.
(Animated PNGs, and JPEGs with further pictures behind the first, are known by what they say.)
"""

from __future__ import annotations

from collections import deque
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from headrace_services.images import gif, mpf, png, tiff
from headrace_services.images.libvips import load_libvips
from headrace_services.images.webp import SHORTEST_KEPT_MS, restore_frames

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pyvips import Image

#: Formats that hold more than one frame.
HOLDS_FRAMES = frozenset({"gif", "webp", "tiff"})

#: How long a page of a TIFF is shown when it becomes part of an animation, in milliseconds.
_PAGE_MS = 100

#: What travels with an animation's frames into a file, besides their times and EXIF.
_KEPT_FIELDS = ("icc-profile-data", "xmp-data")

#: Fields that tell how to turn a picture, which is done.
_TURNED_FIELDS = ("orientation", "exif-ifd0-Orientation")

#: Fields of a whole animation, which are wrong for one of its frames.
_FIELDS_OF_ALL = ("page-height", "n-pages", "delay", "loop", "gif-delay", "gif-loop")


class Timing(Struct, frozen=True):
    """How long each frame is shown, in milliseconds, and how often all are: 0 is for ever."""

    delays_ms: tuple[int, ...]
    loop: int = 0


def count_frames(kind: str, data: bytes, header: Image) -> int:
    """How many pictures a file holds; previews do not count."""
    match kind:
        case "png":
            return png.count_frames(data)
        case "jpeg":
            return mpf.count_pictures(data)
        case _:
            pages = header.get("n-pages") if "n-pages" in header.get_fields() else 1
            return pages if isinstance(pages, int) else 1


def read_timing(kind: str, data: bytes, header: Image, frames: int) -> Timing:
    """How an animation's frames are shown; pages have no times and get some."""
    fields: Any = {name: header.get(name) for name in header.get_fields() if name in _FIELDS_OF_ALL}
    delays = list(gif.read_delays(data)) if kind == "gif" else fields.get("delay", [])
    if len(delays) != frames:
        delays = [_PAGE_MS] * frames
    return Timing(tuple(delays), fields.get("loop", 0))


def find_cut(kind: str, data: bytes) -> str:
    """Say in which way a file ends too early, where libvips takes what there is for all of it."""
    try:
        if kind == "gif":
            deque(gif.read_delays(data), maxlen=0)
        elif kind == "tiff":
            tiff.check_pages(data)
    except EOFError:
        return "the file ends too early"
    return ""


def cut_frames(strip: Image, frames: int) -> Iterator[Image]:
    """Yield the frames of an animation that is decoded as it is read, from the first to the last.

    libvips has them below each other in one picture.
    """
    height = strip.height // frames
    for number in range(frames):
        # Any: the type stubs of pyvips know no removing.
        frame: Any = strip.crop(0, number * height, strip.width, height).copy_memory().copy()
        for field in _FIELDS_OF_ALL:
            if field in frame.get_fields():
                frame.remove(field)
        yield frame


def save_animation(
    frames: Iterable[Image], file_format: str, timing: Timing, how: dict[str, int | str]
) -> bytes:
    """Write frames of one size and kind as GIF or WebP; they are made one after the other."""
    pyvips = load_libvips()
    delays = _round_to_centiseconds(timing.delays_ms) if file_format == "gif" else timing.delays_ms
    asked = [max(SHORTEST_KEPT_MS, delay) for delay in delays] if file_format == "webp" else delays
    strip = _join(frames)
    page_height = strip.height // len(delays)
    strip.set_type(pyvips.GValue.gint_type, "page-height", page_height)
    strip.set_type(pyvips.GValue.array_int_type, "delay", list(asked))
    strip.set_type(pyvips.GValue.gint_type, "loop", timing.loop)
    if file_format == "gif":
        encoded: bytes = strip.gifsave_buffer(keep_duplicate_frames=True, **how)
        return encoded
    nothing = pyvips.Image.black(1, 1, bands=4).copy(interpretation="srgb")
    return restore_frames(
        strip.webpsave_buffer(**how),
        asked,
        delays,
        timing.loop,
        nothing.webpsave_buffer(lossless=True, exact=True),
        is_transparent=strip.hasalpha(),
    )


def _join(frames: Iterable[Image]) -> Any:
    """Put frames below each other in memory: read line by line, libvips' own joining is slow."""
    pyvips = load_libvips()
    first, samples, count = None, bytearray(), 0
    for frame in frames:
        first = frame if first is None else first
        samples += frame.write_to_memory()
        count += 1
    assert first is not None
    height = first.height * count
    # Any: the type stubs of pyvips know no fields of bytes.
    joined: Any = pyvips.Image.new_from_memory(
        samples, first.width, height, first.bands, first.format
    ).copy(interpretation=first.interpretation)
    for field in first.get_fields():
        if field in _KEPT_FIELDS or field.startswith("exif-"):
            joined.set_type(first.get_typeof(field), field, first.get(field))
    for field in _TURNED_FIELDS:  # they come back with EXIF as it was read
        if field in joined.get_fields():
            joined.remove(field)
    return joined


def _round_to_centiseconds(delays_ms: Sequence[int]) -> list[int]:
    """What GIF can hold; rounding does not add up, so that all together takes as long."""
    moments = [0, *(10 * round(moment / 10) for moment in accumulate(delays_ms))]
    return [after - before for before, after in pairwise(moments)]
