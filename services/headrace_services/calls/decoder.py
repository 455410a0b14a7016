"""The decoder: builds values from bytes that may be hostile.

Nothing that arrives is run. Classes are requested by name from ``Classes``, which decides what may
be found; see ``building``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

import msgpack

from headrace_services.calls import collisions
from headrace_services.calls.building import Classes
from headrace_services.calls.marks import MARKS, Mark

#: The keys of dicts in smaller values are not checked, because comparing them takes no time.
LARGE_BYTES = 16 << 10

# msgpack's functions have no types.
_msgpack: Any = cast("Any", msgpack)

#: The headers of a map of 256 keys or more, and of a frozenset, which may take long to compare as a
#: key. The same bytes may also be part of a value.
_SLOW_KEYS = re.compile(rb"\xde[^\0]|\xdf|\xc7\0\x07", re.DOTALL)


class Decoder:
    """Builds one value. ``classes`` finds classes by name, ``buffers`` are its arrays' bytes."""

    __slots__ = ("_buffers", "_compared", "_compiled", "_marks", "_next", "classes")

    def __init__(self, classes: Classes, buffers: list[memoryview]) -> None:
        self.classes = classes
        self._buffers = buffers
        self._next = 0
        self._marks = 0
        self._compared = 0
        self._compiled = 0

    def decode(self, tree: memoryview) -> Any:
        """Build the value. Any exception means that the bytes are invalid."""
        value = _msgpack.unpackb(
            tree,
            ext_hook=self._read_mark,
            list_hook=self._build,
            object_pairs_hook=self._make_dict if _may_have_slow_keys(tree) else None,
            strict_map_key=False,
            unicode_errors="surrogatepass",
            max_ext_len=0,
        )
        if self._marks or self._next != len(self._buffers):
            raise ValueError("a mark or an array is not where it belongs")
        return value

    def take_buffer(self) -> memoryview:
        """Return the next array's bytes. Each is used once, so that memory use does not exceed the
        data.
        """
        self._next += 1
        return self._buffers[self._next - 1]

    def check_keys(self, keys: Sequence[Any]) -> Sequence[Any]:
        """Return the keys of a dict or set. Raises ValueError if the keys of this value have so
        many equal hashes that comparing them would take too long.
        """
        left = collisions.MOST_COMPARED - self._compared
        self._compared += collisions.count_compared(keys, left)
        if self._compared > collisions.MOST_COMPARED:
            raise ValueError("too many keys of dicts or sets have the same hash")
        return keys

    def check_compiled(self, work: int, most: int) -> None:
        """Raise ValueError if compiling this value's regular expressions is more work than
        ``most``.
        """
        self._compiled += work
        if self._compiled > most:
            raise ValueError("compiling its regular expressions would take too long")

    def _make_dict(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        if len(pairs) > collisions.FREE_KEYS:
            self.check_keys([key for key, _ in pairs])
        return dict(pairs)

    def _read_mark(self, code: int, body: bytes) -> Mark:
        del body  # it is empty, because of the limit
        self._marks += 1
        if code not in MARKS:
            raise ValueError("a kind of value that this version of headrace does not know")
        return MARKS[code]

    def _build(self, items: list[Any]) -> Any:
        if items and type(items[0]) is Mark:
            self._marks -= 1
            mark = items[0]
            del items[0]
            return mark.build(items, self)
        return items


def _may_have_slow_keys(tree: memoryview) -> bool:
    """Return whether the keys of dicts in this value should be checked, which costs a call for each
    dict.

    The time to build a smaller dict with other keys is proportional to its bytes.
    """
    return len(tree) >= LARGE_BYTES and _SLOW_KEYS.search(tree) is not None
