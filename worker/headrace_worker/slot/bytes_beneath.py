"""``sys.stdout.buffer`` and ``sys.stderr.buffer`` of a slot, which no task can close.

    task ─ bytes ─► BytesBeneath ─► _Unclosed ─► the buffer of the original stream

A slot runs one task after the other. A task may close or detach a standard stream, or a wrapper of
its own may close it when it is collected; the next task must find the stream as it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class BytesBeneath(io.BufferedWriter):
    """Writes to the file of the original. ``on_write`` is called when bytes wait for a flush."""

    def __init__(self, original: io.TextIOWrapper, on_write: Callable[[], object]) -> None:
        super().__init__(_Unclosed(original))
        self._on_write = on_write

    def write(self, data: ReadableBuffer, /) -> int:
        """Buffer bytes, which are written when there are many, or with the next flush."""
        count = super().write(data)
        self._on_write()
        return count

    def close(self) -> None:
        """Write the buffered bytes, and stay open."""
        self.flush()

    def detach(self) -> io.RawIOBase:
        """Write the buffered bytes. Returns the raw stream, which stays attached."""
        self.flush()
        return cast("io.RawIOBase", self.raw)


class _Unclosed(io.RawIOBase):
    """Passes bytes on at once to the buffer of a stream, and never closes it."""

    mode = "wb"

    def __init__(self, original: io.TextIOWrapper) -> None:
        super().__init__()
        # The stream is kept as well, because it closes its buffer when it is collected.
        self._original = original
        self._buffer = cast("BinaryIO", original.buffer)
        self.name: object = getattr(original, "name", None)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._buffer.fileno()

    def write(self, data: ReadableBuffer, /) -> int:
        count = self._buffer.write(data)
        self._buffer.flush()
        return count

    def close(self) -> None:
        pass
