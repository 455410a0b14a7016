"""The two ends of the socket between the pool and one slot.

A message is a frame of MessagePack; nothing is ever unpickled. The slot's end blocks. The pool's
end never blocks: what a slot does not read yet waits in memory. So a pool that sends inputs and a
slot that sends results cannot wait for each other forever, and a slot that is stopped or swapped
out does not delay the others.

Open files are passed as descriptors beside the first bytes of a message, because a slot may not
access the pool's process (see ``headrace_wire.system.landlock``).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from msgspec import to_builtins
from msgspec.msgpack import Decoder, Encoder

from headrace_wire.framing import FrameReader, write_frame
from headrace_wire.parts import LARGE_BYTES, Parts, drop_sent, pack_parts, send_some
from headrace_worker.link.messages import PoolMessage, SlotMessage
from headrace_worker.link.sockets import Listener, make_look, receive, send_files

#: Messages must have fewer bytes than this.
MOST_BYTES = 1 << 29

_encode_small = Encoder().encode
_pool_messages: Decoder[PoolMessage] = Decoder(PoolMessage)
_slot_messages: Decoder[SlotMessage] = Decoder(SlotMessage)


def encode(message: PoolMessage | SlotMessage, largest_bytes: int) -> Parts:
    """Encode a message. If its largest byte string is large, it becomes a separate part.

    Text that is not valid UTF-8, such as a file name, is escaped, because it is meant for people.
    """
    if largest_bytes < LARGE_BYTES:
        try:
            return [_encode_small(message)]
        except UnicodeEncodeError:
            pass
    fields: object = to_builtins(message, builtin_types=(bytes,))
    return pack_parts(fields, unicode_errors="backslashreplace")


class SlotEnd:
    """The slot's end. Not thread-safe."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        link.setblocking(True)
        # A task that closes all open descriptors may have closed the socket itself.
        self._look = make_look(link)
        self._listener = Listener(link)
        self._reader = FrameReader(MOST_BYTES)
        self._files: list[int] = []

    def send(self, *messages: SlotMessage, largest_bytes: int = 0) -> None:
        """Send all of the messages. Raises OSError if the pool is gone.

        ``largest_bytes`` is an upper bound for the size of their byte strings. Large ones are not
        copied.
        """
        encoded = [encode(message, largest_bytes) for message in messages]
        rest = [part for parts in encoded for part in write_frame(parts)]
        while rest:
            rest = send_some(self._link, rest)

    @property
    def is_open(self) -> bool:
        """Whether the descriptor is still open; a task may have closed it."""
        try:
            self._look()
        except OSError:
            return False
        return True

    def close(self) -> None:
        self._link.close()

    def wait(self, seconds: float) -> bool:
        """Wait for the beginning of a message, or the end of the socket. Returns False on
        timeout.
        """
        return self._reader.begun or self._listener.wait(seconds)

    def receive(self) -> PoolMessage:
        """Wait for a message. Raises EOFError if the pool has closed its end."""
        while (body := self._reader.take()) is None:
            count, files = receive(self._link, self._reader.get_buffer())
            if not count:
                raise EOFError
            self._files += files
            self._reader.buffer_updated(count)
        return _pool_messages.decode(body)

    def take_files(self, number: int) -> list[int]:
        """Return this many open files that came with the last message; the caller closes them."""
        files, self._files = self._files[:number], self._files[number:]
        return files


class PoolEnd:
    """The pool's end, which never blocks. Not thread-safe."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        link.setblocking(False)
        self.outgoing: list[bytes | memoryview] = []
        #: Outgoing parts, with the open files that go with each.
        self._files: list[tuple[bytes | memoryview, Sequence[int]]] = []
        self._reader = FrameReader(MOST_BYTES)
        #: Whether the slot is gone or has closed its end, so that nothing more will arrive.
        self.ended = False

    @property
    def bytes_in(self) -> int:
        return self._reader.bytes_in

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def is_backed_up(self) -> bool:
        """Whether bytes are waiting until the slot reads."""
        return bool(self.outgoing)

    def post(self, message: PoolMessage, largest_bytes: int = 0, files: Sequence[int] = ()) -> None:
        """Append a message to those that wait; ``push`` sends it. See ``SlotEnd.send``.

        ``files`` are open files that are sent with it, and are then closed here.
        """
        parts = [*write_frame(encode(message, largest_bytes))]
        if files:
            self._files.append((parts[0], files))
        self.outgoing += parts

    def push(self) -> None:
        """Send as much as the slot accepts now."""
        try:
            while self.outgoing:
                if self._files:
                    self._push_files()
                self.outgoing = send_some(self._link, self.outgoing)
        except BlockingIOError:
            return
        except OSError:
            # The slot is dead. Its pidfd reports this, and what it held is handled then.
            self._drop_outgoing()

    def _push_files(self) -> None:
        """Send what comes before the next open files, and these files with the first bytes after
        it.
        """
        marked, files = self._files[0]
        place = next(place for place, part in enumerate(self.outgoing) if part is marked)
        before, self.outgoing = self.outgoing[:place], self.outgoing[place:]
        try:
            while before:
                before = send_some(self._link, before)
        finally:
            self.outgoing[:0] = before
        self.outgoing = drop_sent(self.outgoing, send_files(self._link, marked, files))
        del self._files[0]
        _close(files)

    def _drop_outgoing(self) -> None:
        self.outgoing.clear()
        for _, files in self._files:
            _close(files)
        self._files.clear()

    def pull(self, *, to_the_end: bool = False) -> Iterator[SlotMessage]:
        """Iterate over the complete messages that have arrived.

        If the slot is dead, take them ``to_the_end``, because the event loop does not report the
        rest. Raises ValueError, RecursionError and FrameTooLargeError for invalid messages.
        """
        while not self.ended:
            buffer = self._reader.get_buffer()
            try:
                count = self._link.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError:
                count = 0
            self.ended = not count
            self._reader.buffer_updated(count)
            while (body := self._reader.take()) is not None:
                yield _slot_messages.decode(body)
            if count < len(buffer) and not to_the_end:
                return

    def close(self) -> None:
        self.ended = True
        self._drop_outgoing()
        self._link.close()


def _close(files: Sequence[int]) -> None:
    for file in files:
        os.close(file)
