"""The lines of tasks that their slot has not sent yet, kept where the pool finds them if it dies.

Lines leave a slot a few times a second, and a task may die at any moment. The lines just before are
the ones that people want to read. So each line is also written to shared memory until it is sent.
The pool reads this memory only after the slot has died.
"""

from __future__ import annotations

from threading import Lock

import msgspec
from msgspec.msgpack import Decoder, Encoder

from headrace_worker.link.messages import TaskLine

#: The first word of the memory: the number of bytes of all lines, and in its lower half the number
#: of lines.
HEAD_BYTES = 8
COUNT_BITS = 32

_encode = Encoder().encode
_decode = Decoder(list[TaskLine]).decode


class LastWords:
    """Lines in a shared memory. Lines for which there is no room are left out. Thread-safe."""

    def __init__(self, memory: memoryview) -> None:
        self._head = memory[:HEAD_BYTES].cast("Q")
        self._body = memory[HEAD_BYTES:]
        self._lock = Lock()

    def add(self, line: TaskLine) -> None:
        """Store a line. This never blocks, so that signal handlers may call it, too."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            size, count = divmod(self._head[0], 1 << COUNT_BITS)
            packed = _encode(line)
            end = size + len(packed)
            if end <= len(self._body):
                self._body[size:end] = packed
                # In one store, and last, so that a reader only sees complete lines.
                self._head[0] = (end << COUNT_BITS) + count + 1
        finally:
            self._lock.release()

    def clear(self) -> None:
        """Remove the lines, which were sent."""
        self._head[0] = 0

    def read(self) -> list[TaskLine]:
        """Return the lines of a slot that is dead; none if the task has overwritten them."""
        size, count = divmod(self._head[0], 1 << COUNT_BITS)
        if not count:
            return []
        packed = b"\xdd" + count.to_bytes(4, "big") + self._body[:size].tobytes()
        try:
            return _decode(packed)
        except msgspec.MsgspecError:
            return []

    def release(self) -> None:
        """Release the memory."""
        self._head.release()
        self._body.release()
