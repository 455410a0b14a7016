"""A child's parent: the program that holds the other end of its standard input."""

from __future__ import annotations

import os
import signal
import threading

from headrace_wire.system.signals import LOOPS_TAKE_SIGNALS


def read_line() -> str:
    """Read the first line from the parent. Returns "" if the parent is gone."""
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1024)
        if not more:
            return ""
        line += more
    return line.decode().strip()


def end_with_parent() -> threading.Event:
    """Send this process SIGTERM when the parent is gone. Returns an event that is then set."""
    gone = threading.Event()

    def wait() -> None:
        while os.read(0, 1024):
            pass
        gone.set()
        if LOOPS_TAKE_SIGNALS:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            signal.raise_signal(signal.SIGTERM)  # on Windows, os.kill would end it at once

    threading.Thread(target=wait, name="parent watch", daemon=True).start()
    return gone
