"""Resolution: how large a picture wants to be printed. What does not say it, gains none.

libvips has a resolution for every picture, 25.4 or 72 dots an inch where the file has none, and
writes it; so it is looked up in the input whether there was one, and taken out of the output
where there was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.images.png import read_chunks
from headrace_services.images.tiff import RESOLUTION_FIELDS, drop_fields

if TYPE_CHECKING:
    from pyvips import Image

#: Where EXIF stands in a JPEG of libvips, which writes one into every JPEG: it is a TIFF too.
_EXIF_HEAD = b"Exif\0\0"
_EXIF_HEAD_AT = 6


def states_resolution(kind: str, data: bytes, header: Image) -> bool:
    """Tell whether a file says in how many dots an inch or a centimetre it is to be printed."""
    if kind == "png":
        return any(name == b"pHYs" and body[8:] == b"\1" for name, body in read_chunks(data))
    return "resolution-unit" in header.get_fields()


def drop_resolution(file_format: str, encoded: bytes) -> bytes:
    """Take the resolution out of a file that libvips has written."""
    match file_format:
        case "tiff":
            return drop_fields(encoded, RESOLUTION_FIELDS)
        case "png":
            return _drop_from_png(encoded)
        case "jpeg" if encoded.startswith(_EXIF_HEAD, _EXIF_HEAD_AT):
            begin, end = _EXIF_HEAD_AT + len(_EXIF_HEAD), 4 + int.from_bytes(encoded[4:6])
            exif = drop_fields(encoded[begin:end], RESOLUTION_FIELDS)
            return encoded[:begin] + exif + encoded[end:]
        case _:
            return encoded


def _drop_from_png(encoded: bytes) -> bytes:
    # It is a chunk of 21 bytes: size, name, two densities, unit, checksum.
    at = encoded.find(b"\0\0\0\x09pHYs", 0, encoded.find(b"IDAT"))
    return encoded if at < 0 else encoded[:at] + encoded[at + 21 :]
