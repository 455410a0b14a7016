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

#: What calls can be advised to do with a value that does not travel otherwise.
PICKLING = re.compile(r"(;|, or)( use)? serializer='cloudpickle'")

#: What can be shared.
KEPT = (
    "numbers, text, bytes, None, dates, NumPy arrays, dataclasses of modules that all can import, "
    "and lists, tuples, dicts and sets of these"
)


class _Absent:
    """Stands for no value at all, where one is expected or to be put."""

    def __repr__(self) -> str:
        return "ABSENT"


#: In ``SharedDict.update_if``: the key is not there, or is not to be there any more.
ABSENT: Final[Any] = _Absent()

#: What a key may be, beside a tuple of such: they have one form each on the wire.
KEY_TYPES = (type(None), bool, int, float, str, bytes)


def check_name(name: object) -> str:
    """The name of a shared object. Raises TypeError for what is no text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a shared object is a str, not {type(name).__name__} {name!r}")
    return name


def seal(value: object, label: str = "the value") -> bytes:
    """Encode a value. Raises TypeError for what cannot travel, and ValueError."""
    try:
        return pack_value(value, label)
    except (TypeError, ValueError) as error:
        said, advised = PICKLING.subn("", str(error))
        if not advised:
            raise
        # There is no pickling here: what else there is to say of it stays.
        raise type(error)(f"{said}; shared state keeps {KEPT}") from None


def open_sealed(value: bytes) -> Any:
    """Decode a value. Raises ValueError, as for a class that is not imported here."""
    return open_result("msgpack", value)


def seal_number(number: object) -> bytes:
    """Encode a number that is to be added. Raises TypeError for what is none, OverflowError."""
    added = number
    if not isinstance(number, bool | float):
        with contextlib.suppress(TypeError):  # an integer of NumPy's, say
            added = operator.index(number)  # type: ignore[arg-type] # that is what is tried
    if isinstance(added, bool) or not isinstance(added, int | float):
        raise TypeError(f"{number!r} cannot be added: it is no int or float")
    return pack(float(added) if isinstance(added, float) else added)


def seal_key(key: Any) -> bytes:
    """Encode a key. Raises TypeError for one of another type."""
    _check_key(key)
    return seal(_merge_zeros(key), "the key")


def _merge_zeros(key: Any) -> Any:
    """The same key without negative zeros, which are equal to others but look different."""
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
