"""Writes the log without blocking anybody if its reader is slow.

    log.info(…) ─► standard error, while there is room
              └──► a limited number of lines ─► thread ─► standard error, until all are written

Otherwise, a stopped terminal or a pipe that nobody reads would block the event loop that logs, and
all that it serves. Lines for which there is no room are dropped, and counted in another line as
soon as the log is read again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Callable

from headrace_wire.system.forking import call_after_fork
from headrace_wire.system.polling import WRITABLE, make_poll

#: The maximum number of lines that wait to be written.
MOST_LINES = 10_000

#: How many seconds the end of the process waits for them.
FLUSH_SECONDS = 1.0

#: How much can be written without blocking to a pipe that has room: POSIX's minimum PIPE_BUF; on
#: Linux, ``select`` reports room for one page.
_PIECE_BYTES = 4096


class LogThread(threading.Thread):
    """Writes lines for which there was no room at first, and ends. It holds no lock while it
    waits.
    """

    def __init__(self, write: Callable[[], None]) -> None:
        super().__init__(target=write, name="log", daemon=True)


class LogWriter(logging.Handler):
    """A logging handler that never blocks. Thread-safe.

    It writes to a descriptor, as UTF-8. To write to a stream it would have to hold the stream's
    lock while it waits, and Python needs that lock when it exits.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._changed = threading.Condition(threading.Lock())
        self._thread: LogThread | None = None
        call_after_fork(self._forget_thread)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, now or later."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)
            return
        data = f"{line}\n".encode(errors="backslashreplace")
        with self._changed:
            if len(self._lines) < MOST_LINES:
                self._lines.append(data)
            else:
                self._dropped += 1
            if self._thread is None and not self._write_lines():
                self._begin_thread()

    def flush(self) -> None:
        """Wait until what was logged is written, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: self._thread is None, FLUSH_SECONDS)

    def _write_lines(self) -> bool:
        """Write as many lines as possible now, and return whether these were all."""
        while self._lines:
            self._lines[0] = self._write_what_fits(self._lines[0])
            if self._lines[0]:
                return False
            self._lines.popleft()
        return True

    def _begin_thread(self) -> None:
        self._thread = LogThread(self._write_all)
        try:
            self._thread.start()
        except RuntimeError:  # there are too many threads: the next line tries again
            self._thread = None

    def _write_what_fits(self, data: bytes) -> bytes:
        """Write as much as possible now, and return the rest."""
        while data and _has_room(self._descriptor):
            try:
                data = data[os.write(self._descriptor, data[:_PIECE_BYTES]) :]
            except OSError:
                return b""  # its reader has gone, and this cannot be reported anywhere
        return data

    def _write_all(self) -> None:
        while True:
            with self._changed:
                if not self._lines:
                    self._thread = None
                    self._changed.notify_all()
                    return
                data = b"".join(self._lines)
                self._lines.clear()
                if self._dropped:
                    data += self._tell_dropped()
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._descriptor, data) :]

    def _tell_dropped(self) -> bytes:
        record = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0,
            "%d lines of this log were dropped: nobody read it", (self._dropped,), None,
        )  # fmt: skip
        self._dropped = 0
        return f"{self.format(record)}\n".encode()

    def _forget_thread(self) -> None:
        # In a forked child, the thread and the lines that it writes belong to the parent.
        self._changed = threading.Condition(threading.Lock())
        self._lines.clear()
        self._dropped = 0
        self._thread = None


def _has_room(descriptor: int) -> bool:
    if make_poll is None:  # this cannot be checked, so the thread writes everything
        return False
    poll = make_poll()
    poll.register(descriptor, WRITABLE)
    return bool(poll.poll(0))
