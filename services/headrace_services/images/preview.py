"""Small JPEGs of a picture before and after, which a page shows for the first pictures of a job.

They are made where the picture was processed, and sent in its value.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from headrace_services.images.libvips import load_libvips

#: The maximum length of a preview's longer side in pixels, and its quality.
PREVIEW_PIXELS = 320
PREVIEW_QUALITY = 75

#: The maximum size of a preview in bytes, because a worker may send anything as one.
MAX_PREVIEW_BYTES = 1 << 18

#: Larger files get no preview, because it would take too long to decode them again.
MAX_SOURCE_BYTES = 32 << 20

#: Pictures of other formats than JPEG get no preview either if they have more pixels.
MAX_SOURCE_PIXELS = 50_000_000


class Preview(Struct, frozen=True):
    """A picture's width and height, and a small JPEG of it; b"" if there is none."""

    width: int = 0
    height: int = 0
    jpeg: bytes = b""

    def to_list(self) -> list[object]:
        """Return the list that is sent."""
        return [self.width, self.height, self.jpeg]

    @classmethod
    def from_list(cls, fields: object) -> Preview:
        """Read a list that was sent. Raises ValueError if it is not a preview."""
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
    """Return a preview of an encoded picture, or of its first frame.

    It has no JPEG if none could be made; the picture itself may still be complete.
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
