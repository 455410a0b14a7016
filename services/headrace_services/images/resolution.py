"""Resolution: at which size a picture is to be printed. If the input has none, the output gets
none.

libvips has a resolution for every picture, and writes it; if the file has none, libvips uses 25.4
or 72 dots per inch. So this module finds out whether the input has a resolution, and removes that
of the output otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace_services.images.png import read_chunks
from headrace_services.images.tiff import RESOLUTION_FIELDS, drop_fields

if TYPE_CHECKING:
    from pyvips import Image

#: Where EXIF is in a JPEG written by libvips, which adds EXIF to every JPEG. EXIF is a TIFF, too.
_EXIF_HEAD = b"Exif\0\0"
_EXIF_HEAD_AT = 6


def states_resolution(kind: str, data: bytes, header: Image) -> bool:
    """Return whether a file says how many dots per inch or centimetre are to be printed."""
    if kind == "png":
        return any(name == b"pHYs" and body[8:] == b"\1" for name, body in read_chunks(data))
    return "resolution-unit" in header.get_fields()


def drop_resolution(file_format: str, encoded: bytes) -> bytes:
    """Remove the resolution from a file that libvips has written."""
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
