"""Keys that all have one hash, which a stranger can make: a dict of them takes hours to build.

The hashes of text and bytes are secret, those of numbers and so of tuples are not: ``hash(-1)`` is
``hash(-2)``, and 2**n tuples of n such numbers have one hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

#: Fewer keys are not looked at: they take no time whatever their hashes are.
LEAST_KEYS = 256

#: Comparisons of keys that building one dict or set may take, beside one for each key: a second.
MOST_COMPARISONS = 10_000_000


def make_dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """A dict of these pairs. Raises ValueError where their keys are made to take for ever."""
    if len(pairs) > LEAST_KEYS:
        check_keys([key for key, _ in pairs])
    return dict(pairs)


def check_keys(keys: Sequence[Any]) -> Sequence[Any]:
    """Return the keys of a dict or set. Raises ValueError where too many have one hash."""
    if len(keys) > LEAST_KEYS:
        hashes = list(map(hash, keys))
        if len(set(hashes)) < len(hashes):
            comparisons = sum(times * times for times in Counter(hashes).values()) // 2
            if comparisons > MOST_COMPARISONS + len(keys):
                raise ValueError("too many keys of a dict or set have the same hash")
    return keys
