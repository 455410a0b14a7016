"""JPEGs with more pictures after the first, as stereo cameras and telephones write them.

A segment of the first picture contains an index of all of them, which has the form of a TIFF
directory (CIPA DC-007, "Multi-Picture Format").
"""

from __future__ import annotations

import struct

#: The tags of the number of pictures and of their list, and the types of pictures that are
#: previews.
_COUNT_TAG = 0xB001
_LIST_TAG = 0xB002
_PREVIEWS = frozenset({0x010001, 0x010002})


def count_pictures(data: bytes) -> int:
    """Return how many pictures a JPEG holds, without previews."""
    at = data.find(b"MPF\0", 0, _find_pixels(data))
    if at < 0:
        return 1
    try:
        return _count_in_index(data[at + 4 : at + 4 + 65_535])
    except (struct.error, KeyError):
        return 1


def _find_pixels(data: bytes) -> int:
    """Return where a JPEG's segments end and its pixels begin."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return at


def _count_in_index(index: bytes) -> int:
    order = "<" if index[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", index, 4)
    (entries,) = struct.unpack_from(order + "H", index, start)
    values = {
        tag: value
        for tag, _, _, value in (
            struct.unpack_from(order + "HHII", index, start + 2 + 12 * number)
            for number in range(entries)
        )
    }
    kinds = [
        struct.unpack_from(order + "I", index, values[_LIST_TAG] + 16 * number)[0] & 0xFFFFFF
        for number in range(min(values[_COUNT_TAG], 65_535 // 16))
    ]
    return max(1, sum(kind not in _PREVIEWS for kind in kinds))
