"""How functions and values are encoded: with msgpack, or with cloudpickle if requested.

A pickle can do anything when it is unpickled: a worker unpickles only with ``--allow-pickle``, and
a client only values of a job that it submitted so itself.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, cast, get_args

from headrace_services.calls.building import Classes
from headrace_services.calls.encoder import ADVICE
from headrace_services.calls.rebuilding import IMPORTED
from headrace_services.calls.values import pack_call, pack_value, unpack_value
from headrace_services.permits import Permits, RefusedError
from headrace_wire.errors import UsageError

#: The serializers.
Serializer = Literal["msgpack", "cloudpickle"]

#: The positional and the named arguments of a call.
Call = tuple[tuple[Any, ...], dict[str, Any]]


def check_serializer(name: object) -> Serializer:
    """Return a serializer's name, which may be in any case. Raises UsageError."""
    word = name.lower() if isinstance(name, str) else name
    if word not in get_args(Serializer):
        known = " or ".join(map(repr, get_args(Serializer)))
        raise UsageError(f"the serializer is {name!r}: it can be {known}")
    return cast("Serializer", word)


def seal_call(
    serializer: Serializer,
    args: tuple[Any, ...],
    kwds: dict[str, Any],
    *,
    by_reference: bool = False,
) -> bytes:
    """Encode a call's arguments. Raises as ``values.pack_value`` does."""
    if serializer == "cloudpickle":
        return pickle_value((args, kwds), by_reference=by_reference)
    return pack_call(args, kwds)


def seal_value(
    serializer: Serializer,
    value: object,
    label: str,
    *,
    by_reference: bool = False,
    advice: str = ADVICE,
) -> bytes:
    """Encode one value. Raises as ``values.pack_value`` does, with that advice."""
    if serializer == "cloudpickle":
        return pickle_value(value, by_reference=by_reference)
    return pack_value(value, label, advice)


def open_call(serializer: Serializer, frame: bytes | memoryview, classes: Classes) -> Call:
    """Decode a call's arguments. Raises ValueError."""
    opened = open_value(serializer, frame, classes)
    if isinstance(opened, list | tuple) and len(cast("list[Any]", opened)) == 2:
        args, kwds = cast("list[Any]", opened)
        if isinstance(args, list | tuple) and isinstance(kwds, dict):
            return tuple(cast("list[Any]", args)), cast("dict[str, Any]", kwds)
    raise ValueError("these are not the arguments of a call")


def open_value(serializer: Serializer, frame: bytes | memoryview, classes: Classes) -> Any:
    """Decode one value. Raises ValueError; with cloudpickle, anything."""
    if serializer == "cloudpickle":
        return unpickle_value(frame)
    return unpack_value(frame, classes)


def open_result(serializer: Serializer, frame: bytes) -> Any:
    """Decode the value of a task, for the client that submitted it with this serializer."""
    return open_value(serializer, frame, IMPORTED)


def refuse_pickle(permits: Permits) -> None:
    """Raise RefusedError if unpickling is not allowed."""
    if not permits.pickle:
        raise RefusedError(
            "this worker opens no pickled functions: start it with --allow-pickle, or send the "
            "function by name with serializer='msgpack'"
        )


def name_python() -> str:
    """Return the version of Python for which this process pickles code."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def pickle_value(value: object, *, by_reference: bool = False) -> bytes:
    """Pickle by value what has no name on the other side. Raises the errors of pickle.

    ``by_reference`` means that the other side has this program's main module, so that only what has
    no name at all, such as a lambda, is sent by value.
    """
    dump, dump_by_value = _find_picklers()
    return dump(value) if by_reference else dump_by_value(value)


@cache
def _find_picklers() -> tuple[Callable[[object], bytes], Callable[[object], bytes]]:
    from headrace_services.calls.pickling import dump, dump_by_value  # noqa: PLC0415 - only if requested

    return dump, dump_by_value


def unpickle_value(frame: bytes | memoryview) -> Any:
    """Unpickle a value, which the caller knows to be allowed. Raises anything."""
    return pickle.loads(frame)  # noqa: S301 - see module
