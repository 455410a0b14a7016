"""What travels for one picture, as msgpack arrays.

    input   [source, output, kind, content]
    value   [output, encoded picture or nil, bytes in, bytes out, frames dropped, before, after]
    before, after   [width, height, JPEG]

Frames may be missing in a value, and previews: of a job's first pictures alone there are any.

``source`` is the file as the user named it, ``output`` the name under the output folder, with
``/`` between parts. Names that are not UTF-8 keep their bytes through surrogate escapes.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgpack
from msgspec import Struct

from headrace_services.images.preview import Preview

# msgpack's functions carry no types.
_msgpack: Any = cast("Any", msgpack)

#: The largest file in bytes that travels through the queue; larger ones need ``--shared``.
MAX_CARRIED_BYTES = 192 * 1024 * 1024

#: Enough of an input, in bytes, to hold the source's name: paths are at most 4096 bytes.
_NAME_BYTES = 4096 + 16

#: ``data``: content is the file itself. ``path``: content is its absolute path, read by the slot.
#: ``problem``: the file could not be read for the upload, and content says why.
Kind = Literal["data", "path", "problem"]


class PictureInput(Struct, frozen=True):
    source: str
    output: str
    kind: Kind
    content: bytes | str

    def encode(self) -> bytes:
        return _pack([self.source, self.output, self.kind, self.content])

    @staticmethod
    def decode(encoded: bytes | None) -> PictureInput:
        """Raises ValueError for anything but an encoded input."""
        match _unpack(encoded):
            case [str() as source, str() as output, "data", bytes() as content]:
                return PictureInput(source, output, "data", content)
            case [str() as source, str() as output, "path", str() as content]:
                return PictureInput(source, output, "path", content)
            case [str() as source, str() as output, "problem", str() as content]:
                return PictureInput(source, output, "problem", content)
            case _:
                raise ValueError("this is not the input of a picture task")


class PictureValue(Struct, frozen=True):
    output: str
    data: bytes | None
    bytes_in: int
    bytes_out: int
    frames_dropped: int = 0
    before: Preview = Preview()
    after: Preview = Preview()

    def encode(self) -> bytes:
        values: list[object] = [self.output, self.data, self.bytes_in, self.bytes_out]
        previews = [self.before, self.after]
        if previews != [Preview(), Preview()]:
            values += [self.frames_dropped, *[one.to_list() for one in previews]]
        elif self.frames_dropped:
            values.append(self.frames_dropped)
        return _pack(values)

    @staticmethod
    def decode(encoded: bytes) -> PictureValue:
        """Raises ValueError for anything but an encoded value."""
        unpacked = _unpack(encoded)
        match cast("list[object]", unpacked) if isinstance(unpacked, list) else []:
            case [str() as output, (bytes() | None) as data, int() as size_in, int() as size_out]:
                return PictureValue(output, data, size_in, size_out)
            case [
                str() as output,
                (bytes() | None) as data,
                int() as size_in,
                int() as size_out,
                int() as frames_dropped,
            ]:
                return PictureValue(output, data, size_in, size_out, frames_dropped)
            case [
                str() as output,
                (bytes() | None) as data,
                int() as size_in,
                int() as size_out,
                int() as frames_dropped,
                before,  # pyright: ignore[reportUnknownVariableType] # looked at below
                after,  # pyright: ignore[reportUnknownVariableType]
            ]:
                shown: tuple[object, object] = before, after
                previews = map(Preview.from_list, shown)
                return PictureValue(output, data, size_in, size_out, frames_dropped, *previews)
            case _:
                raise ValueError("this is not the value of a picture task")


def read_source(encoded: bytes) -> str:
    """Read a picture input's source without touching the picture in it.

    Raises ValueError for anything but an encoded input.
    """
    unpacker = _msgpack.Unpacker(unicode_errors="surrogateescape")
    try:
        unpacker.feed(encoded[:_NAME_BYTES])
        unpacker.read_array_header()
        source: object = unpacker.unpack()
    except (msgpack.UnpackException, ValueError) as error:
        raise ValueError("this is not the input of a picture task") from error
    if not isinstance(source, str):
        raise ValueError("this is not the input of a picture task")  # noqa: TRY004 -- not a type slip: what came is foreign
    return source


def printable(name: str) -> str:
    """Make a file's name fit for messages: what is not UTF-8 in it shows as U+FFFD."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _pack(values: list[object]) -> bytes:
    packed: bytes = _msgpack.packb(values, unicode_errors="surrogateescape")
    return packed


def _unpack(encoded: bytes | None) -> object:
    if encoded is None:
        return None
    try:
        unpacked: object = _msgpack.unpackb(encoded, unicode_errors="surrogateescape")
    except (msgpack.UnpackException, ValueError) as error:
        raise ValueError(f"a picture task's payload cannot be read: {error}") from error
    return unpacked
