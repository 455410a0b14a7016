"""Previews inside a picture's metadata: they show it as it was before the filter.

A blurred picture must not leave with an unblurred preview. Cameras keep one in EXIF, Photoshop in
its image resources: in JPEG a segment that libvips calls ``iptc-data`` and that also holds captions
and credits, which stay. A resource is, after Adobe's file format specification: ``8BIM``, number
(2 bytes), name (length byte and text, padded to even), size (4 bytes), data (padded to even).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvips import Image

#: Fields that are nothing but a preview, or (TIFF's Photoshop resources) hold one and little else.
_PREVIEW_FIELDS = ("jpeg-thumbnail-data", "photoshop-data")

#: What Photoshop's segment begins with.
_SEGMENT_HEAD = b"Photoshop 3.0\0"

#: Numbers of the resources that are previews: of Photoshop 4, and of later ones.
_PREVIEW_RESOURCES = frozenset({0x0409, 0x040C})


def drop_previews(image: Image) -> Image:
    """Remove every preview; captions, credits, EXIF and profile stay."""
    fields = image.get_fields()
    dropped = [field for field in _PREVIEW_FIELDS if field in fields]
    resources = image.get("iptc-data") if "iptc-data" in fields else None
    segment = bytes(resources) if isinstance(resources, (bytes, bytearray, memoryview)) else b""
    kept = drop_preview_resources(segment)
    if not dropped and kept == segment:
        return image
    # Any: the type stubs of pyvips know no fields of bytes.
    changed: Any = image.copy()
    for field in dropped:
        changed.remove(field)
    if kept != segment:
        changed.set("iptc-data", kept)
    without: Image = changed
    return without


def drop_preview_resources(segment: bytes) -> bytes:
    """Photoshop's segment without the previews in it; from where it cannot be read on, nothing.

    What is not Photoshop's segment (bare IPTC) is given back as it came.
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
