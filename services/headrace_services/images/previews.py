"""Previews in a picture's metadata, which show the picture as it was before the filter.

A blurred picture must not contain an unblurred preview. Cameras store one in EXIF, and Photoshop
stores one in its image resources: in JPEG files, this is a segment that libvips calls ``iptc-data``
and that also contains captions and credits, which are kept. According to Adobe's file format
specification, a resource consists of ``8BIM``, a number (2 bytes), a name (a length byte and text,
padded to an even length), a size (4 bytes), and data (padded to an even length).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvips import Image

#: Fields that are only a preview, or (like TIFF's Photoshop resources) contain one and little else.
_PREVIEW_FIELDS = ("jpeg-thumbnail-data", "photoshop-data")

#: The first bytes of Photoshop's segment.
_SEGMENT_HEAD = b"Photoshop 3.0\0"

#: The numbers of the resources that are previews: of Photoshop 4, and of later versions.
_PREVIEW_RESOURCES = frozenset({0x0409, 0x040C})


def drop_previews(image: Image) -> Image:
    """Remove every preview. Captions, credits, EXIF and the profile are kept."""
    fields = image.get_fields()
    dropped = [field for field in _PREVIEW_FIELDS if field in fields]
    resources = image.get("iptc-data") if "iptc-data" in fields else None
    segment = bytes(resources) if isinstance(resources, (bytes, bytearray, memoryview)) else b""
    kept = drop_preview_resources(segment)
    if not dropped and kept == segment:
        return image
    # Any, because pyvips' type stubs do not know fields of type bytes.
    changed: Any = image.copy()
    for field in dropped:
        changed.remove(field)
    if kept != segment:
        changed.set("iptc-data", kept)
    without: Image = changed
    return without


def drop_preview_resources(segment: bytes) -> bytes:
    """Return Photoshop's segment without its previews, up to where it cannot be read any more.

    A segment that is not Photoshop's (bare IPTC) is returned unchanged.
    """
    if not segment.startswith(_SEGMENT_HEAD):
        return segment
    kept = bytearray(_SEGMENT_HEAD)
    start = len(_SEGMENT_HEAD)
    while segment[start : start + 4] == b"8BIM" and start + 7 <= len(segment):
        (number,) = struct.unpack_from(">H", segment, start + 4)
        size_at = start + 6 + _even(1 + segment[start + 6])
        if size_at + 4 > len(segment):
            break
        (size,) = struct.unpack_from(">I", segment, size_at)
        end = size_at + 4 + _even(size)
        if size_at + 4 + size > len(segment):
            break
        if number not in _PREVIEW_RESOURCES:
            kept += segment[start:end]
        start = end
    return bytes(kept)


def _even(size: int) -> int:
    return size + size % 2
