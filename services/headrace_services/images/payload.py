"""What is sent for one picture, as msgpack arrays.

    input   [source, output, kind, content]
    value   [output, encoded picture or nil, bytes in, bytes out, frames dropped, before, after]
    before, after   [width, height, JPEG]

A value may lack the frames and the previews: only the first pictures of a job have previews.

``source`` is the file as the user named it, and ``output`` is the name under the output folder,
with ``/`` between its parts. Names that are not UTF-8 are sent with surrogate escapes.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import msgpack
from msgspec import Struct

from headrace_services.images.preview import Preview

# msgpack has no type annotations.
_msgpack: Any = cast("Any", msgpack)

#: The largest file, in bytes, that is sent through the queue. Larger ones need ``--shared``.
MAX_CARRIED_BYTES = 192 * 1024 * 1024

#: How many bytes of an input are certain to contain the source's name: paths have at most 4096
#: bytes.
_NAME_BYTES = 4096 + 16

#: The meaning of content. ``data``: the file itself. ``path``: its absolute path, which the slot
#: reads. ``problem``: the reason why the file could not be read for the upload.
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
        """Decode an input. Raises ValueError for anything else."""
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
        """Decode a value. Raises ValueError for anything else."""
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
                before,  # pyright: ignore[reportUnknownVariableType] # checked below
                after,  # pyright: ignore[reportUnknownVariableType]
            ]:
                shown: tuple[object, object] = before, after
                previews = map(Preview.from_list, shown)
                return PictureValue(output, data, size_in, size_out, frames_dropped, *previews)
            case _:
                raise ValueError("this is not the value of a picture task")


def read_source(encoded: bytes) -> str:
    """Read a picture input's source without decoding its picture.

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
        raise ValueError("this is not the input of a picture task")  # noqa: TRY004 -- the data came from elsewhere, so it is a wrong value
    return source


def printable(name: str) -> str:
    """Return a file's name for a message: what is not UTF-8 is shown as U+FFFD."""
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
