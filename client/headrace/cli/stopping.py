"""Ends a command that waits for a job on SIGTERM and SIGHUP in the same way as on Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn

from headrace_wire.errors import EXIT_INTERRUPTED
from headrace_wire.system import signals

#: The signals that end a command. SIGHUP (on Windows, SIGBREAK) comes when its terminal is closed.
STOP_SIGNALS = tuple(number for number in signals.STOP_SIGNALS if number != signal.SIGINT)


class StoppedError(KeyboardInterrupt):
    """A signal came that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        #: As the shell shows it for a process that was ended by this signal.
        self.exit_code = 128 + number


def find_exit_code(error: BaseException) -> int:
    """Return the exit code of a command that was interrupted by this error, or by its cause."""
    stopped = error if isinstance(error, StoppedError) else error.__cause__
    return stopped.exit_code if isinstance(stopped, StoppedError) else EXIT_INTERRUPTED


@contextmanager
def stop_by_signals() -> Generator[None]:
    """Make the signals raise StoppedError in this block, unless they are ignored, as with nohup."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    caught = [number for number, handler in before.items() if handler is signal.SIG_DFL]
    for number in caught:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: object) -> NoReturn:
    del frame
    raise StoppedError(number)
