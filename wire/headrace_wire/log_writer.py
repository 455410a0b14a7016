"""Writes the log from a thread of its own, so that nobody's work waits for whoever reads it.

    log.info(…) ─► lines, so many at most ─► thread ─► standard error

A terminal that is stopped, a pipe that nobody reads or a full disk beneath a log would otherwise
stop the event loop that logs, and with it everybody whom it serves. Lines for which there is no
room are dropped, and counted in a line of their own as soon as others are read again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque

#: Lines that wait to be written.
MOST_LINES = 10_000

#: Seconds that the end of the process waits for them.
FLUSH_SECONDS = 1.0


class LogWriter(logging.Handler):
    """A handler of logging that never blocks. Thread safe.

    It writes to a descriptor, as UTF-8. To a stream it would have to hold the stream's lock while
    it waits, and Python needs that at its end.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._changed = threading.Condition(threading.Lock())
        self._is_writing = False
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Have a record written."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as all handlers do
            self.handleError(record)
            return
        with self._changed:
            if len(self._lines) >= MOST_LINES:
                self._dropped += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until what was logged is written, but not for long."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._lines or self._is_writing), FLUSH_SECONDS)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                lines, dropped = list(self._lines), self._dropped
                self._lines.clear()
                self._dropped = 0
                self._is_writing = True
            if dropped:
                lines.append(self._format_dropped(dropped))
            data = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
            # Where whoever read it has gone there is nowhere else to say so.
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._descriptor, data) :]

    def _format_dropped(self, dropped: int) -> str:
        record = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0,
            "%d lines of this log were dropped: nobody read it", (dropped,), None,
        )  # fmt: skip
        return self.format(record)
