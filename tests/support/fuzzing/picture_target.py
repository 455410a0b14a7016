"""Pictures that are none, or not what they say: each is worked on, or refused in one line."""

from __future__ import annotations

import io
import struct
import zlib

from hypothesis import strategies as st
from PIL import Image

from headrace_services.images.formats import FORMATS
from headrace_services.images.options import OPERATIONS, Options
from headrace_services.images.picture import process
from support.fuzzing.hostile import change_bytes
from support.fuzzing.target import Target, check_refusal
from support.pictures import encode, exif_with, make_picture

#: Pictures of more pixels are refused here: what is tried is not how long large ones take.
MOST_MEGAPIXELS = 0.25


def check_picture(data: bytes) -> None:
    """A first byte says what is to be done, and into which format; the picture follows it."""
    chosen = data[0] if data else 0
    operation = OPERATIONS[chosen % len(OPERATIONS)]
    file_format = FORMATS[chosen // len(OPERATIONS) % len(FORMATS)]
    options = Options(operation, 1.0, (8, 8), max_megapixels=MOST_MEGAPIXELS)
    try:
        assert process(data[1:], file_format, options).data
    except ValueError as error:
        check_refusal(error)


def _make_bomb(width: int, height: int) -> bytes:
    """A PNG of many pixels in few bytes."""
    png = encode(Image.new("L", (1, 1)), "PNG")
    header = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return png[:12] + chunk + struct.pack("!I", zlib.crc32(chunk)) + png[33:]


def _encode_frames(file_format: str) -> bytes:
    stream = io.BytesIO()
    first, *others = [make_picture(10, 8, seed) for seed in range(3)]
    first.save(stream, file_format, save_all=True, append_images=others)
    return stream.getvalue()


def _make_pictures() -> list[bytes]:
    picture = make_picture(12, 9)
    pictures = [encode(picture, name) for name in ("JPEG", "PNG", "WEBP", "TIFF", "GIF")]
    pictures += [_encode_frames(name) for name in ("GIF", "WEBP", "TIFF", "PNG")]
    pictures += [encode(picture, "JPEG", exif=exif_with(orientation=6, make="m"))]
    pictures += [encode(picture.convert("CMYK"), "JPEG"), encode(picture.convert("I;16"), "PNG")]
    pictures += [_make_bomb(60_000, 60_000), _make_bomb(0, 0), _make_bomb(2**31 - 1, 1)]
    return pictures


_PICTURES = _make_pictures()
_CHOICES = len(OPERATIONS) * len(FORMATS)

PICTURE_TARGET = Target(
    "pictures",
    check_picture,
    st.tuples(st.integers(0, _CHOICES - 1), change_bytes(_PICTURES)).map(
        lambda both: bytes([both[0]]) + both[1]
    ),
    [bytes([place * 7 % _CHOICES]) + picture for place, picture in enumerate(_PICTURES)],
)
