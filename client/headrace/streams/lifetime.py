"""The states of a stream: open, closed, ended.

A thread that changes them may be interrupted by a signal handler's exception after any call. So
attributes that belong together are assigned without a call in between, while ``lock`` is held.
"""

from __future__ import annotations

import threading

from headrace_wire.locks import make_lock
from headrace_wire.system.interrupts import acquire


class Lifetime:
    """The state of one stream.

    It is ``closed`` when no more inputs are accepted, ``ended`` when no more outcomes come, and
    ``complete`` when all of them came. ``running`` is held until the end, so that others can wait
    for it.
    """

    def __init__(self) -> None:
        self.lock = make_lock()
        self.closed = False
        self.ended = False
        self.complete = False
        self.running = threading.Lock()
        self.running.acquire()

    def end(self) -> bool:
        """Note that the stream has ended. Returns False if it had ended before."""
        with self.lock:
            if self.ended:
                return False
            self.closed = self.ended = True
            try:  # noqa: SIM105 - as in wait
                self.running.release()
            except RuntimeError:
                pass
        return True

    def wait(self) -> None:
        """Wait until the stream has ended."""
        try:
            acquire(self.running)
        finally:
            if self.ended:  # releasing it once more is harmless, whoever holds it
                try:  # noqa: SIM105 - suppress has calls that may be interrupted
                    self.running.release()
                except RuntimeError:
                    pass
