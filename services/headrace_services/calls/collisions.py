"""Keys with the same hash, which an attacker can make: a dict of them takes hours to build.

The hashes of text and bytes are secret, but those of numbers and therefore of tuples are not:
``hash(-1)`` is ``hash(-2)``, and 2**n tuples of n such numbers have the same hash. Each of them is
compared with all previous ones, and the time of a comparison grows with the size of the keys.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

#: So many keys of a dict or set may have the same hash without being counted: comparing them takes
#: about as long as reading them.
FREE_KEYS = 8

#: How many numbers and other small parts of keys may be compared to build one value: about a
#: second.
MOST_COMPARED = 300_000_000

#: The number of parts that an object counts as if its class compares it in Python.
_OBJECT_PARTS = 60

#: How many characters, and how many bits of a number, are compared as quickly as a small number.
_CHARACTERS_AT_ONCE = 64
_BITS_AT_ONCE = 256

#: Numbers between minus this and this are small.
_SMALL = 1 << _BITS_AT_ONCE


def count_compared(keys: Sequence[Any], most: int) -> int:
    """Return how many small parts are compared because keys of one dict or set have the same hash.

    If there are more than ``most``, not all of them are counted.
    """
    if len(keys) <= FREE_KEYS:
        return 0
    hashes = list(map(hash, keys))
    if len(set(hashes)) == len(hashes):
        return 0
    groups: dict[int, list[Any]] = {}
    for number, key in zip(hashes, keys, strict=True):
        groups.setdefault(number, []).append(key)
    compared = 0
    for group in groups.values():
        if len(group) > FREE_KEYS:
            for key in group:
                # The cost of comparing a pair is that of its smaller key, so half of their sum is
                # enough.
                compared += (len(group) - 1) * _count_parts(key) // 2
                if compared > most:
                    return compared
    return compared


def _count_parts(key: object) -> int:
    """Return the maximum number of small parts that are examined to compare a key with another
    one.
    """
    total = 0
    rest: list[tuple[object, int]] = [(key, 1)]
    while rest:
        value, times = rest.pop()
        here = 1
        parts: Collection[object] = ()
        if isinstance(value, tuple | frozenset):
            parts = cast("Collection[object]", value)
            if isinstance(value, frozenset):
                # Each of its items may be compared with all of the other's.
                times *= len(parts) or 1
        elif isinstance(value, str | bytes):
            here += len(value) // _CHARACTERS_AT_ONCE
        elif isinstance(value, int):
            here += value.bit_length() // _BITS_AT_ONCE
        elif value is not None and not isinstance(value, float):
            here = _OBJECT_PARTS
            names = getattr(type(value), "__dataclass_fields__", ())
            parts = [getattr(value, name, None) for name in names]
        large = [part for part in parts if type(part) is not int or not -_SMALL < part < _SMALL]
        total += times * (here + len(parts) - len(large))
        rest.extend((part, times) for part in large)
    return total
