"""How far a stream's life has come: open, closed, over.

Those who change it may be interrupted by a signal handler's exception after any call. So what
belongs together is assigned without a call in between, by whoever holds ``lock``.
"""

from __future__ import annotations

import threading

from headrace_wire.interrupts import acquire
from headrace_wire.locks import make_lock


class Lifetime:
    """Of one stream: ``closed`` when nothing more goes in, ``ended`` when no outcome comes any
    more, and ``complete`` when all of them came. ``running`` is held until the end: to wait for it
    is to pass through.
    """

    def __init__(self) -> None:
        self.lock = make_lock()
        self.closed = False
        self.ended = False
        self.complete = False
        self.running = threading.Lock()
        self.running.acquire()

    def end(self) -> bool:
        """Note that it is over. False when it was before."""
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
        """Wait until it is over."""
        try:
            acquire(self.running)
        finally:
            if self.ended:  # then it does no harm to open it once more, whoever holds it
                try:  # noqa: SIM105 - the other way has calls in which it may be interrupted
                    self.running.release()
                except RuntimeError:
                    pass
