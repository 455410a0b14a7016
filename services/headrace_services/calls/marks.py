"""Marks, which distinguish values that msgpack does not know from lists.

Such a value is sent as a list whose first item is a mark, an empty msgpack extension that only the
encoder makes: a tuple as ``[TUPLE, *items]``, a UUID as ``[UUID, bytes]``. So values may be nested
in any way, also as keys of a dict, and neither side recurses in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgpack

from headrace_services.calls.building import Building

# msgpack's functions have no types.
_msgpack: Any = cast("Any", msgpack)

#: Makes a value of the items after its mark. Any exception means that the bytes are invalid.
Builder = Callable[[list[Any], Building], Any]


class Mark:
    """One kind of value: its number on the wire, and how it is built."""

    __slots__ = ("build", "sign")

    def __init__(self, code: int, build: Builder) -> None:
        self.build = build
        self.sign: Any = _msgpack.ExtType(code, b"")
        if code in MARKS:
            raise ValueError(f"mark {code} is taken")
        MARKS[code] = self


#: All marks by their number.
MARKS: dict[int, Mark] = {}


def expect(items: list[Any], *kinds: type | tuple[type, ...]) -> list[Any]:
    """Check that there is one item of each kind. Raises ValueError."""
    if len(items) != len(kinds) or not all(map(isinstance, items, kinds)):
        raise ValueError("the parts of a value are not those that it should have")
    return items
