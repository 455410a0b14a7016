"""``sys.stdout.buffer`` and ``sys.stderr.buffer`` of a slot, which no task can close.

    task ─ bytes ─► BytesBeneath ─► _Unclosed ─► the buffer of the original stream

A slot runs one task after the other. One that closes or detaches a standard stream, or has it
closed by a wrapper of its own that is collected, must leave it to the next task as it was.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class BytesBeneath(io.BufferedWriter):
    """Writes to what the original writes to. ``on_write`` is called when bytes wait for a flush."""

    def __init__(self, original: io.TextIOWrapper, on_write: Callable[[], object]) -> None:
        super().__init__(_Unclosed(original))
        self._on_write = on_write

    def write(self, data: ReadableBuffer, /) -> int:
        """Take bytes in; they are written when there are many, or with the next flush."""
        count = super().write(data)
        self._on_write()
        return count

    def close(self) -> None:
        """Write what is left, and stay open."""
        self.flush()

    def detach(self) -> io.RawIOBase:
        """Write what is left. Returns what is beneath, which stays attached."""
        self.flush()
        return cast("io.RawIOBase", self.raw)


class _Unclosed(io.RawIOBase):
    """Passes bytes on at once to the buffer of a stream, and never closes it."""

    mode = "wb"

    def __init__(self, original: io.TextIOWrapper) -> None:
        super().__init__()
        # The stream is kept, too: it closes its buffer when it is collected.
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
