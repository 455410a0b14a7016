"""TIFF files as libvips writes them: removes fields from their directories, and joins their pages.

A TIFF is a chain of directories, one per page. Each is a table of fields, whose values are in the
entry itself or, if they are too long, elsewhere in the file at an offset (TIFF 6.0, 1992; BigTIFF
is the same with wider numbers).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: XResolution, YResolution and ResolutionUnit.
RESOLUTION_FIELDS = frozenset({282, 283, 296})

#: Fields whose values are themselves offsets, of a page's strips or tiles.
_FIELDS_OF_OFFSETS = frozenset({273, 324})

#: How many bytes a value of each type has.
_TYPE_BYTES = {
    **dict.fromkeys((1, 2, 6, 7), 1),
    **dict.fromkeys((3, 8), 2),
    **dict.fromkeys((4, 9, 11, 13), 4),
    **dict.fromkeys((5, 10, 12, 16, 17, 18), 8),
}

#: The types that are whole numbers, as struct names them.
_OFFSET_CODES = {3: "H", 4: "I", 16: "Q"}

#: What the 32-bit offsets of classic TIFF can point to.
_MOST_BYTES = 2**32


class _Layout(Struct, frozen=True):
    """The layout of a TIFF: ``first`` is where the offset of the first directory is.

    The others are the formats of a directory's number of entries, of an entry, and of an offset.
    """

    first: int
    count: struct.Struct
    entry: struct.Struct
    pointer: struct.Struct


class _Directory(Struct, frozen=True):
    """A directory in a file: where it begins, and where it has the offset of the next one."""

    start: int
    next_at: int


def drop_fields(encoded: bytes, fields: frozenset[int]) -> bytes:
    """Remove fields from every directory. Files without these fields are returned unchanged."""
    changed = bytearray(encoded)
    layout = _read_layout(encoded)
    size = layout.entry.size
    for directory in _walk(encoded, layout):
        begin = directory.start + layout.count.size
        entries = [encoded[at : at + size] for at in range(begin, directory.next_at, size)]
        kept = [entry for entry in entries if layout.entry.unpack(entry)[0] not in fields]
        following = encoded[directory.next_at : directory.next_at + layout.pointer.size]
        table = layout.count.pack(len(kept)) + b"".join(kept) + following
        changed[directory.start : directory.start + len(table)] = table
    return bytes(changed)


def join_pages(pages: Sequence[bytes]) -> bytes:
    """Join the pages of several files. Raises ValueError if they have 4 GiB or more."""
    joined = bytearray(pages[0])
    layout = _read_layout(pages[0])
    link_at = _last(pages[0], layout).next_at
    for page in pages[1:]:
        base = len(joined) + len(joined) % 2
        if base + len(page) >= _MOST_BYTES or _read_layout(page).pointer.size != 4:
            raise ValueError("its pages together are over 4 GiB, too large for a TIFF")
        joined += bytes(base - len(joined)) + _move(page, base)
        layout.pointer.pack_into(joined, link_at, base + _first(page, layout))
        link_at = base + _last(page, layout).next_at
    return bytes(joined)


def check_pages(data: bytes) -> None:
    """Raise EOFError if the file ends before one of its pages."""
    layout = _read_layout(data)
    seen: set[int] = set()
    try:
        for directory in _walk(data, layout):
            if directory.start in seen:
                return
            seen.add(directory.start)
    except struct.error as error:
        raise EOFError from error


def _move(page: bytes, base: int) -> bytes:
    """Return a file's bytes with the offsets that they need when they begin at ``base``."""
    moved = bytearray(page)
    layout = _read_layout(page)
    for directory in _walk(page, layout):
        begin = directory.start + layout.count.size
        for at in range(begin, directory.next_at, layout.entry.size):
            field, kind, count, _ = layout.entry.unpack_from(page, at)
            value_at = at + layout.entry.size - layout.pointer.size
            if count * _TYPE_BYTES[kind] > layout.pointer.size:
                (elsewhere,) = layout.pointer.unpack_from(page, value_at)
                layout.pointer.pack_into(moved, value_at, elsewhere + base)
                value_at = elsewhere
            if field in _FIELDS_OF_OFFSETS:
                code = f"{_order(page)}{count}{_OFFSET_CODES[kind]}"
                offsets = struct.unpack_from(code, page, value_at)
                struct.pack_into(code, moved, value_at, *(offset + base for offset in offsets))
        (following,) = layout.pointer.unpack_from(page, directory.next_at)
        if following:
            layout.pointer.pack_into(moved, directory.next_at, following + base)
    return bytes(moved)


def _walk(encoded: bytes, layout: _Layout) -> Iterator[_Directory]:
    start = _first(encoded, layout)
    while start:
        (entries,) = layout.count.unpack_from(encoded, start)
        next_at = start + layout.count.size + entries * layout.entry.size
        yield _Directory(start, next_at)
        (start,) = layout.pointer.unpack_from(encoded, next_at)


def _first(encoded: bytes, layout: _Layout) -> int:
    (start,) = layout.pointer.unpack_from(encoded, layout.first)
    return int(start)


def _last(encoded: bytes, layout: _Layout) -> _Directory:
    *_, last = _walk(encoded, layout)
    return last


def _order(encoded: bytes) -> str:
    return "<" if encoded[:2] == b"II" else ">"


def _read_layout(encoded: bytes) -> _Layout:
    order = _order(encoded)
    is_classic = encoded[2:4] in (b"*\0", b"\0*")
    first, codes = (4, ("H", "HHI4s", "I")) if is_classic else (8, ("Q", "HHQ8s", "Q"))
    return _Layout(first, *(struct.Struct(order + code) for code in codes))
