"""What tasks have said and their slot has not sent yet, where the pool finds it if the slot dies.

Lines leave a slot a few times a second, and a task may die at any moment, by any cause: what it
said just before is what people want to read. So each line is written to a shared memory, too, until
it is sent. The pool reads that only once the slot is dead.
"""

from __future__ import annotations

from threading import Lock

import msgspec
from msgspec.msgpack import Decoder, Encoder

from headrace_worker.link.messages import TaskLine

#: The first word of the memory: bytes of lines, and how many these are in its lower half.
HEAD_BYTES = 8
COUNT_BITS = 32

_encode = Encoder().encode
_decode = Decoder(list[TaskLine]).decode


class LastWords:
    """Lines in a shared memory; those that find no room are left out. Thread safe."""

    def __init__(self, memory: memoryview) -> None:
        self._head = memory[:HEAD_BYTES].cast("Q")
        self._body = memory[HEAD_BYTES:]
        self._lock = Lock()

    def add(self, line: TaskLine) -> None:
        """Write a line down. Waits for nobody, so that a signal's handler may call it, too."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            size, count = divmod(self._head[0], 1 << COUNT_BITS)
            packed = _encode(line)
            end = size + len(packed)
            if end <= len(self._body):
                self._body[size:end] = packed
                # In one store, and last: whoever reads sees whole lines.
                self._head[0] = (end << COUNT_BITS) + count + 1
        finally:
            self._lock.release()

    def clear(self) -> None:
        """Forget the lines: they are sent."""
        self._head[0] = 0

    def read(self) -> list[TaskLine]:
        """The lines of a slot that is dead; none where the task has overwritten them."""
        size, count = divmod(self._head[0], 1 << COUNT_BITS)
        if not count:
            return []
        packed = b"\xdd" + count.to_bytes(4, "big") + self._body[:size].tobytes()
        try:
            return _decode(packed)
        except msgspec.MsgspecError:
            return []

    def release(self) -> None:
        """Let go of the memory."""
        self._head.release()
        self._body.release()
