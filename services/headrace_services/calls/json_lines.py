"""Values as JSON lines, for the command line: ``{"index": 3, "value": ...}``, in index order.

A task that failed has no line. Values that JSON does not have are written as follows: tuples, sets,
deques, arrays and named tuples as lists; mappings as objects, or with other keys than text as lists
of pairs; dataclasses as objects of their fields, frames as lists of their rows, enum members by
name.
Everything else is text: bytes in base64, times as ISO 8601, and the rest as ``str`` writes it. This
includes nan, the infinities, and integers of more than 64 bits, because few programs that read JSON
accept these as numbers.
"""

from __future__ import annotations

import base64
import json
import sys
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Iterator
from datetime import date, time
from fractions import Fraction
from math import isfinite
from typing import Any, BinaryIO, cast

from headrace_services.calls.outline import OUTLINES, FrameOutline, Outline
from headrace_services.calls.values import unpack_value
from headrace_services.gmp import to_decimal

#: Integers from this one on are written as text.
_INTEGER_END = 2**64


def write_lines(values: Iterator[tuple[int, bytes]], file: BinaryIO) -> int:
    """Write one line for each value, and return how many. Raises ValueError for an invalid
    value.
    """
    written = 0
    for written, text in enumerate(_write_each(values), 1):  # noqa: B007 - the number is used
        file.write(text + b"\n")
    return written


def write_array(values: Iterator[tuple[int, bytes]], file: BinaryIO) -> int:
    """Write one JSON array of what the lines would be, and return how many values it has.

    Raises ValueError for an invalid value.
    """
    written = 0
    for written, text in enumerate(_write_each(values), 1):
        file.write((b"[" if written == 1 else b",\n ") + text)
    file.write(b"]\n" if written else b"[]\n")
    return written


def _write_each(values: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    for index, value in values:
        line = {"index": index, "value": make_plain(unpack_value(value, OUTLINES))}
        # A lone surrogate is written as \udcff, as JSON itself does.
        text = json.dumps(line, ensure_ascii=False, allow_nan=False)
        yield text.encode(errors="backslashreplace")


def make_plain(value: Any) -> Any:
    """Convert a value that was decoded in outline to what JSON has."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -_INTEGER_END < value < _INTEGER_END else to_decimal(value)
    if isinstance(value, float):
        return float(value) if isfinite(value) else str(value)
    if isinstance(value, ChainMap | UserDict):
        value = _merge(cast("Any", value))
    if isinstance(value, dict):
        pairs: dict[Any, Any] = cast("Any", value)
        if all(isinstance(key, str) for key in pairs):
            return {key: make_plain(item) for key, item in pairs.items()}
        return [[make_plain(key), make_plain(item)] for key, item in pairs.items()]
    if isinstance(value, list | tuple | set | frozenset | range | deque | UserList):
        return [make_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, FrameOutline):
        return _list_rows(value)
    if isinstance(value, Outline):
        return _make_plain_outline(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, date | time):
        return value.isoformat()
    return _make_plain_number(value)


def _merge(mapping: Any) -> dict[Any, Any]:
    """Return the items of a mapping as a dict, in time proportional to their number."""
    kind: Any = mapping.__class__
    if kind is UserDict:
        return _merge(mapping.data)
    if kind is not ChainMap:
        items: dict[Any, Any] = mapping
        return items
    merged: dict[Any, Any] = {}
    for one in reversed(mapping.maps):
        merged.update(_merge(one))
    return merged


def _list_rows(frame: FrameOutline) -> list[Any]:
    from headrace_services.calls.frames import list_rows  # noqa: PLC0415 - few values are one

    try:
        return [make_plain(row) for row in list_rows(frame.kind, frame.body)]
    except ImportError as error:
        raise ValueError(f"a {frame.kind} is written with pyarrow: {error}") from None


def _make_plain_outline(outline: Outline) -> Any:
    if outline.member is not None:
        return outline.member
    if outline.parts:
        return {name: make_plain(part) for name, part in outline.parts.items()}
    return [make_plain(item) for item in outline.items]


def _make_plain_number(value: Any) -> Any:
    np = sys.modules.get("numpy")
    if np is not None and isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind == "M":
            return np.datetime_as_string(value).tolist()
        found = value.tolist()
        # Some scalars, such as long doubles, have no counterpart in Python.
        return str(value) if isinstance(found, np.generic) else make_plain(found)
    if isinstance(value, Fraction):
        ends = (value.numerator, value.denominator)
        return "/".join(map(to_decimal, ends)) if value.denominator > 1 else to_decimal(ends[0])
    return str(value)
