"""NumPy's arrays and scalars.

An array's items follow the packed value, as they are in memory. They are copied once when the frame
is assembled, and once when it is decoded, into a writable array. Item type and shape are sent as
plain text and numbers, which are checked before memory is allocated. Arrays of Python objects
cannot be sent.
"""

from __future__ import annotations

import re
import sys
from math import prod
from typing import TYPE_CHECKING, Any, Literal

from headrace_services.calls.encoder import (
    ADVICE,
    FINDERS,
    Encoder,
    Taker,
    UntravelableError,
    by_items,
    make_taker,
)
from headrace_services.calls.marks import Mark, expect

if TYPE_CHECKING:
    from headrace_services.calls.building import Building

#: Item types without fields, as NumPy writes them: byte order, kind, bytes, unit of time.
_SIMPLE = re.compile(r"[<>|=][biufcSUVmM]\d{1,10}(\[\d{0,10}[a-zA-Z]{1,7}\])?", re.ASCII)

#: How deep structures may be nested.
_DEEPEST_STRUCTURE = 32

#: The maximum number of dimensions of an array in any version of NumPy.
_MOST_DIMENSIONS = 64


def _describe(dtype: Any, culprit: object) -> Any:
    """Describe an item type: by a text, or by a list for a structure."""
    if dtype.hasobject or dtype.kind not in "biufcSUVmM":
        reason = f"its items are of type {dtype}; {ADVICE}"
        raise UntravelableError(culprit, reason)
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_describe(base, culprit), list(shape)]
    if dtype.names is None:
        return dtype.str
    fields = [dtype.fields[name] for name in dtype.names]
    return [
        list(dtype.names),
        [_describe(field[0], culprit) for field in fields],
        [field[1] for field in fields],
        dtype.itemsize,
        dtype.isalignedstruct,
    ]


def _read_dtype(words: Any, depth: int = 0) -> Any:
    import numpy as np  # noqa: PLC0415 - see module

    if depth > _DEEPEST_STRUCTURE:
        raise ValueError("an item type is nested too deep")
    if isinstance(words, str):
        if not _SIMPLE.fullmatch(words):
            raise ValueError("an item type is not known")
        return np.dtype(words)
    if len(words) == 2:
        base, shape = expect(words, (str, list), list)
        return np.dtype((_read_dtype(base, depth + 1), _read_shape(shape)))
    names, formats, offsets, itemsize, align = expect(words, list, list, list, int, bool)
    return np.dtype(
        {
            "names": names,
            "formats": [_read_dtype(one, depth + 1) for one in formats],
            "offsets": offsets,
            "itemsize": itemsize,
        },
        align=align,
    )


def _read_shape(sizes: list[Any]) -> tuple[int, ...]:
    if len(sizes) > _MOST_DIMENSIONS or not all(type(n) is int and n >= 0 for n in sizes):
        raise ValueError("an array has an impossible shape")
    return tuple(sizes)


def _take_array(array: Any, encoder: Encoder) -> list[Any]:
    import numpy as np  # noqa: PLC0415 - see module

    words = _describe(array.dtype, array)
    flags = array.flags
    fortran = flags.f_contiguous and not flags.c_contiguous
    rows = np.ascontiguousarray(array.T if fortran else array)
    empty = not rows.size or not rows.itemsize
    encoder.buffers.append(b"" if empty else rows.reshape(-1).view(np.uint8).data)
    return [_ARRAY.sign, words, list(array.shape), fortran]


def _build_array(items: list[Any], building: Building) -> Any:
    import numpy as np  # noqa: PLC0415 - see module

    words, sizes, fortran = expect(items, (str, list), list, bool)
    dtype, shape, body = _read_dtype(words), _read_shape(sizes), building.take_buffer()
    if dtype.itemsize * prod(shape) != len(body):
        raise ValueError("an array's size is not that of its items")
    order: Literal["C", "F"] = "F" if fortran else "C"
    if not len(body):
        return np.empty(shape, dtype, order)
    if dtype.names is not None:
        # The bytes between the fields are copied, too: new memory could contain anything there.
        return np.ndarray(shape, dtype, np.frombuffer(body, np.uint8).copy(), order=order)
    return np.ndarray(shape, dtype, body, order=order).copy(order)


def _dump_scalar(scalar: Any) -> list[Any]:
    return [_describe(scalar.dtype, scalar), scalar.tobytes()]


def _load_scalar(items: list[Any]) -> Any:
    import numpy as np  # noqa: PLC0415 - see module

    words, body = expect(items, (str, list), bytes)
    dtype = _read_dtype(words)
    if dtype.itemsize != len(body):
        raise ValueError("a number's size is not that of its type")
    return np.ndarray((), dtype, body).copy()[()]


def _dump_text(text: Any) -> list[Any]:
    # Neither as an item of an array nor by str(), which lose zeros at its end.
    base: Any = bytes if isinstance(text, bytes) else str
    return [base.__getitem__(text, slice(None))]


def _load_text(items: list[Any]) -> Any:
    import numpy as np  # noqa: PLC0415 - see module

    (text,) = expect(items, (str, bytes))
    return np.str_(text) if isinstance(text, str) else np.bytes_(text)


def _load_dtype(items: list[Any]) -> Any:
    return _read_dtype(expect(items, (str, list))[0])


def _find(kind: type) -> Taker | None:
    np = sys.modules.get("numpy")
    if np is None:
        return None
    if kind is np.ndarray:
        return _take_array
    if issubclass(kind, np.dtype):
        return _take_dtype
    if not issubclass(kind, np.generic) or not kind.__module__.startswith("numpy"):
        return None
    return _take_text if kind in (np.str_, np.bytes_) else _take_scalar


_ARRAY = Mark(32, _build_array)
_take_scalar = make_taker(33, _dump_scalar, by_items(_load_scalar))
_take_text = make_taker(34, _dump_text, by_items(_load_text))
_take_dtype = make_taker(35, lambda dtype: [_describe(dtype, dtype)], by_items(_load_dtype))
FINDERS.append(_find)
