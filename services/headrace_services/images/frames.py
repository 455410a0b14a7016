"""Animations and pages: how many frames a file has, how long each is shown, and how to save them.

GIF and WebP files have frames with their times, and TIFF files have pages. Of PNG and JPEG files,
only one picture is used; animated PNGs, and JPEGs with more pictures after the first, are only
recognised, so that the number of dropped pictures can be reported.
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

#: The formats that can hold more than one frame.
HOLDS_FRAMES = frozenset({"gif", "webp", "tiff"})

#: How long a page of a TIFF is shown when it becomes part of an animation, in milliseconds.
_PAGE_MS = 100

#: The fields that are saved with an animation's frames, besides their times and EXIF.
_KEPT_FIELDS = ("icc-profile-data", "xmp-data")

#: Fields that say how to turn a picture upright, which has been done already.
_TURNED_FIELDS = ("orientation", "exif-ifd0-Orientation")

#: Fields that describe a whole animation, and are wrong for a single frame.
_FIELDS_OF_ALL = ("page-height", "n-pages", "delay", "loop", "gif-delay", "gif-loop")


class Timing(Struct, frozen=True):
    """How many milliseconds each frame is shown, and how often the animation runs (0: for ever)."""

    delays_ms: tuple[int, ...]
    loop: int = 0


def count_frames(kind: str, data: bytes, header: Image) -> int:
    """Return how many pictures a file holds. Previews do not count."""
    match kind:
        case "png":
            return png.count_frames(data)
        case "jpeg":
            return mpf.count_pictures(data)
        case _:
            pages = header.get("n-pages") if "n-pages" in header.get_fields() else 1
            return pages if isinstance(pages, int) else 1


def read_timing(kind: str, data: bytes, header: Image, frames: int) -> Timing:
    """Return how an animation's frames are shown. Pages, which have no times, get a default."""
    fields: Any = {name: header.get(name) for name in header.get_fields() if name in _FIELDS_OF_ALL}
    delays = list(gif.read_delays(data)) if kind == "gif" else fields.get("delay", [])
    if len(delays) != frames:
        delays = [_PAGE_MS] * frames
    return Timing(tuple(delays), fields.get("loop", 0))


def find_cut(kind: str, data: bytes) -> str:
    """Return in which way a file ends too early, in cases that libvips does not detect; else ""."""
    try:
        if kind == "gif":
            deque(gif.read_delays(data), maxlen=0)
        elif kind == "tiff":
            tiff.check_pages(data)
    except EOFError:
        return "the file ends too early"
    return ""


def cut_frames(strip: Image, frames: int) -> Iterator[Image]:
    """Yield the frames of an animation, which is decoded as it is read, from first to last.

    libvips represents them as one picture, with the frames below each other.
    """
    height = strip.height // frames
    for number in range(frames):
        # Any, because pyvips' type stubs do not know remove.
        frame: Any = strip.crop(0, number * height, strip.width, height).copy_memory().copy()
        for field in _FIELDS_OF_ALL:
            if field in frame.get_fields():
                frame.remove(field)
        yield frame


def save_animation(
    frames: Iterable[Image], file_format: str, timing: Timing, how: dict[str, int | str]
) -> bytes:
    """Encode frames of one size and kind as GIF or WebP. They are made one after the other."""
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
    """Put frames below each other in memory. libvips' own join is slow if it is read by lines."""
    pyvips = load_libvips()
    first, samples, count = None, bytearray(), 0
    for frame in frames:
        first = frame if first is None else first
        samples += frame.write_to_memory()
        count += 1
    assert first is not None
    height = first.height * count
    # Any, because pyvips' type stubs do not know fields of type bytes.
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
    """Round times to what GIF can hold. Errors do not add up: the total stays about the same."""
    moments = [0, *(10 * round(moment / 10) for moment in accumulate(delays_ms))]
    return [after - before for before, after in pairwise(moments)]
