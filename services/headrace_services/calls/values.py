"""Converts values to bytes and back: the arguments and results of functions.

    pack_value ─► plain msgpack, if that is enough
                  0xC1 0 tree                                if it needs marks (see ``marks``)
                  0xC1 1 head, sizes, tree, arrays…          if arrays follow
    unpack_value ◄─ any of these

Values come back with the types that they had. 0xC1 is the only byte with which no msgpack begins.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgpack

# The modules of other kinds of values register themselves when they are imported.
from headrace_services.calls import arrays as _arrays
from headrace_services.calls import classes as _classes
from headrace_services.calls import collected as _collected
from headrace_services.calls import frames as _frames
from headrace_services.calls import patterns as _patterns
from headrace_services.calls import plain as _plain
from headrace_services.calls.building import Classes
from headrace_services.calls.decoder import Decoder
from headrace_services.calls.encoder import (
    ADVICE,
    Encoder,
    UntravelableError,
    find_mistaken,
    unmistake,
)
from headrace_services.calls.places import Roots, explain_culprit, explain_nesting
from headrace_services.permits import RefusedError
from headrace_wire.parts import LARGE_BYTES, join, pack_parts

# msgpack's functions have no types.
_msgpack: Any = cast("Any", msgpack)

#: Modules of kinds of values that register themselves.
KINDS = (_arrays, _classes, _collected, _frames, _patterns, _plain)

#: The beginning of frames that are not plain msgpack.
_NO_MSGPACK = 0xC1
_MARKED, _WITH_ARRAYS = bytes([_NO_MSGPACK, 0]), bytes([_NO_MSGPACK, 1])

#: After the beginning: the number of arrays, and the size of the tree. Then each array's size.
_HEAD = struct.Struct("<IQ")

#: Values that contain nothing, which msgpack packs itself.
_SCALARS = frozenset({int, float, str, bytes, bool, type(None)})

#: Without these bytes, packed data contains no byte strings, and only short extensions.
_SUSPICIOUS = bytes([0xC4, 0xC5, 0xC6, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8])

#: The first byte of a mark, and of a few other extensions.
_EXTENSION = 0xC7


def _refuse_extension(code: int, body: bytes) -> None:
    raise ValueError(f"an extension of type {code} where there is none ({len(body)} bytes)")


_unpack_plain: Callable[[bytes | memoryview], Any] = partial(
    _msgpack.unpackb,
    ext_hook=_refuse_extension,
    strict_map_key=False,
    unicode_errors="surrogatepass",
    max_ext_len=0,
)


def pack_value(value: object, label: str = "the value", advice: str = ADVICE) -> bytes:
    """Encode a value. Errors call it ``label``, and contain ``advice``.

    Raises TypeError for what cannot be sent, and ValueError for what contains itself or is nested
    too deeply, with the place in the value.
    """
    if type(value) in _SCALARS:
        if isinstance(value, bytes) and len(value) >= LARGE_BYTES:
            return join(pack_parts(value))
        try:
            packed: bytes = _msgpack.packb(value)
            return packed
        except (OverflowError, ValueError):
            pass  # a large integer, or text that is not valid UTF-8
    return _pack(value, lambda: [(label, value)], advice)


def pack_call(args: tuple[object, ...], kwds: dict[str, object]) -> bytes:
    """Encode a call's arguments, as a list of a list and a dict. Raises as ``pack_value`` does."""

    def name_arguments() -> Roots:
        named = [(f"argument {place}", value) for place, value in enumerate(args, 1)]
        return [*named, *((f"argument {name!r}", value) for name, value in kwds.items())]

    return _pack([[*args], kwds], name_arguments)


def unpack_value(frame: bytes | memoryview, classes: Classes) -> Any:
    """Decode a value; ``classes`` makes those of named classes.

    This is safe for any bytes: nothing in them is run, and the memory used is proportional to their
    size. Raises ValueError for invalid bytes, and RefusedError, which is one, as ``classes`` does.
    """
    try:
        if frame[0] == _NO_MSGPACK:
            return _unpack_marked(memoryview(frame), classes)
        return _unpack_plain(frame)
    except RefusedError:
        raise
    except Exception as error:
        raise ValueError(f"a malformed value: {error or type(error).__name__}") from error


def _pack(value: object, name_roots: Callable[[], Roots], advice: str = ADVICE) -> bytes:
    try:
        packed, encoder = _pack_tree(value)
        if _is_suspicious(packed, encoder.taken) and find_mistaken(value):
            packed, encoder = _pack_tree(unmistake(value))
    except UntravelableError as error:
        message = explain_culprit(name_roots(), error.culprit, error.reason, advice)
        raise TypeError(message) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(explain_nesting(name_roots(), str(error))) from None
    if not encoder.taken:
        return packed[1:]
    tree = memoryview(packed)[1:]
    if not encoder.buffers:
        return b"".join((_MARKED, tree))
    head = _HEAD.pack(len(encoder.buffers), len(tree))
    sizes = struct.pack(f"<{len(encoder.buffers)}Q", *map(len, encoder.buffers))
    return b"".join((_WITH_ARRAYS, head, sizes, tree, *encoder.buffers))


def _pack_tree(value: object) -> tuple[bytes, Encoder]:
    # In a list of one, because msgpack packs one level more than it unpacks.
    encoder = Encoder()
    try:
        return _msgpack.packb([value], strict_types=True, default=encoder.take), encoder
    except UnicodeEncodeError:
        # A lone surrogate, as in file names that are not valid UTF-8.
        encoder = Encoder()
        packed = _msgpack.packb(
            [value], strict_types=True, default=encoder.take, unicode_errors="surrogatepass"
        )
        return packed, encoder


def _is_suspicious(packed: bytes, marks: int) -> bool:
    """Return whether there may be a byte string or an extension besides the encoder's marks."""
    return (
        len(packed.translate(None, _SUSPICIOUS)) != len(packed) or packed.count(_EXTENSION) != marks
    )


def _unpack_marked(frame: memoryview, classes: Classes) -> Any:
    buffers: list[memoryview] = []
    start, end, beginning = 2, len(frame), bytes(frame[:2])
    if beginning == _WITH_ARRAYS:
        count, tree_bytes = _HEAD.unpack_from(frame, start)
        start += _HEAD.size
        sizes = struct.unpack_from(f"<{count}Q", frame, start)
        start += 8 * count
        end = start + tree_bytes
        place = end
        for size in sizes:
            buffers.append(frame[place : place + size])
            place += size
        if place != len(frame):
            raise ValueError("its arrays do not fill the frame")
    elif beginning != _MARKED:
        raise ValueError("it was packed by another version")
    return Decoder(classes, buffers).decode(frame[start:end])
