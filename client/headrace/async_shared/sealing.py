"""Names, keys and values of shared objects, checked and encoded."""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Iterable
from typing import Any, Final, cast

from headrace_services.calls import open_result
from headrace_services.calls.values import pack_value
from headrace_wire.encoding import pack
from headrace_wire.errors import UsageError

#: The advice in the messages of calls about values that can only be pickled.
PICKLING = re.compile(r"(;|, or)( use)? serializer='cloudpickle'")

#: What can be shared.
KEPT = (
    "numbers, text, bytes, None, dates, NumPy arrays, dataclasses of modules that all can import, "
    "and lists, tuples, dicts and sets of these"
)


class _Absent:
    """Stands for the absence of a value."""

    def __repr__(self) -> str:
        return "ABSENT"


#: In ``SharedDict.update_if``: the key does not exist, or is to be removed.
ABSENT: Final[Any] = _Absent()

#: The types that a key may have, apart from tuples of these. Each key has only one encoded form.
KEY_TYPES = (type(None), bool, int, float, str, bytes)


def check_name(name: object) -> str:
    """Return the name of a shared object. Raises TypeError if it is not text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a shared object is a str, not {type(name).__name__} {name!r}")
    return name


def seal(value: object, label: str = "the value") -> bytes:
    """Encode a value. Raises TypeError and ValueError if it cannot be encoded."""
    try:
        return pack_value(value, label)
    except (TypeError, ValueError) as error:
        said, advised = PICKLING.subn("", str(error))
        if not advised:
            raise
        # Shared state is never pickled, so that advice is removed from the message.
        raise type(error)(f"{said}; shared state keeps {KEPT}") from None


def open_sealed(value: bytes) -> Any:
    """Decode a value. Raises ValueError, for example for a class that is not imported here."""
    return open_result("msgpack", value)


def seal_number(number: object) -> bytes:
    """Encode a number to add. Raises TypeError if it is not a number, and UsageError."""
    added = number
    if not isinstance(number, bool | float):
        with contextlib.suppress(TypeError):  # for example an integer of NumPy
            added = operator.index(number)  # type: ignore[arg-type] # TypeError is expected
    if isinstance(added, bool) or not isinstance(added, int | float):
        raise TypeError(f"{number!r} cannot be added: it is no int or float")
    if isinstance(added, float):
        return pack(float(added))
    try:
        return pack(added)
    except OverflowError:
        raise UsageError(
            f"an int of {added.bit_length()} bits cannot be added: only one of up to 64 bits or a "
            "float can be; use a lock around reading and writing"
        ) from None


def seal_key(key: Any) -> bytes:
    """Encode a key. Raises TypeError for one of another type."""
    _check_key(key)
    return seal(_merge_zeros(key), "the key")


def _merge_zeros(key: Any) -> Any:
    """Return the same key without negative zeros, which equal zeros but are encoded differently."""
    if type(key) is tuple:
        return tuple(map(_merge_zeros, cast("Iterable[Any]", key)))
    return abs(key) if type(key) is float and key == 0 else key


def _check_key(key: Any) -> None:
    if type(key) is tuple:
        for part in cast("Iterable[Any]", key):
            _check_key(part)
    elif type(key) not in KEY_TYPES:
        raise TypeError(
            f"{key!r} cannot be a key of a shared dict: keys are numbers, strings, bytes, None, "
            "and tuples of these"
        )
