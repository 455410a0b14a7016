"""Small JPEGs that show a picture before and after: what a page shows of a job's first pictures.

They are made where the picture was worked on, and travel in its value.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from headrace_services.images.libvips import load_libvips

#: Pixels of a preview's longer side at most, and its quality.
PREVIEW_PIXELS = 320
PREVIEW_QUALITY = 75

#: Bytes of one at most: what comes as one may be anything.
MAX_PREVIEW_BYTES = 1 << 18

#: Larger files have no preview: to decode them once more would take too long.
MAX_SOURCE_BYTES = 32 << 20

#: Of other formats than JPEG, pictures of more pixels have none either.
MAX_SOURCE_PIXELS = 50_000_000


class Preview(Struct, frozen=True):
    """A picture's width and height, and a small JPEG of it; b"" where there is none."""

    width: int = 0
    height: int = 0
    jpeg: bytes = b""

    def to_list(self) -> list[object]:
        """What travels."""
        return [self.width, self.height, self.jpeg]

    @classmethod
    def from_list(cls, fields: object) -> Preview:
        """Raises ValueError for what is no preview."""
        match fields:
            case [int() as width, int() as height, bytes() as jpeg] if (
                min(width, height) >= 0
                and len(jpeg) <= MAX_PREVIEW_BYTES
                and (not jpeg or jpeg.startswith(b"\xff\xd8\xff"))
            ):
                return cls(width, height, jpeg)
            case _:
                raise ValueError("this is not the preview of a picture")


def make_preview(data: bytes) -> Preview:
    """A preview of an encoded picture, of its first frame; one without a JPEG where none can be
    made: the picture itself may be whole all the same.
    """
    pyvips = load_libvips()
    try:
        header = pyvips.Image.new_from_buffer(data, "")
        width, height = header.width, header.height
        is_jpeg = data.startswith(b"\xff\xd8")
        if len(data) > MAX_SOURCE_BYTES or (width * height > MAX_SOURCE_PIXELS and not is_jpeg):
            return Preview(width, height)
        small = pyvips.Image.thumbnail_buffer(
            data, PREVIEW_PIXELS, height=PREVIEW_PIXELS, size="down"
        )
        return Preview(width, height, _save(small))
    except pyvips.Error:
        return Preview()


def _save(small: Any) -> bytes:
    if small.interpretation not in ("srgb", "b-w"):
        small = small.colourspace("srgb")
    if small.hasalpha():
        small = small.flatten(background=255)
    small = small.cast("uchar")
    encoded: bytes = small.jpegsave_buffer(Q=PREVIEW_QUALITY, strip=True)
    return encoded if len(encoded) <= MAX_PREVIEW_BYTES else b""
