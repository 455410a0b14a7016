"""Signals that end a process in good order, and how an event loop receives them on each system."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Generator, Iterable, Mapping
from types import FrameType
from typing import TYPE_CHECKING

from headrace_wire.system.portable import PORTABLE

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

#: Signals that end a coordinator or a worker. Windows has no SIGHUP; it sends SIGBREAK when a
#: console is closed.
STOP_SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
)

#: Whether event loops support signals, which is not so on Windows.
LOOPS_TAKE_SIGNALS = hasattr(signal, "SIGHUP") and not PORTABLE

#: How many bytes are read from the signal socket at a time; each signal writes one.
_SIGNAL_BYTES = 4096


@contextlib.contextmanager
def handle_signals(
    loop: AbstractEventLoop,
    numbers: Iterable[signal.Signals],
    note: Callable[[signal.Signals], object],
) -> Generator[None]:
    """Let a running event loop call ``note`` with each of these signals; main thread only.

    Afterwards the previous handlers are restored.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    with (_handle_in_loop if LOOPS_TAKE_SIGNALS else _handle_by_wakeup)(loop, before, note):
        yield


@contextlib.contextmanager
def _handle_in_loop(
    loop: AbstractEventLoop,
    before: Mapping[signal.Signals, object],
    note: Callable[[signal.Signals], object],
) -> Generator[None]:
    for number in before:
        loop.add_signal_handler(number, note, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            _restore(number, handler)


@contextlib.contextmanager
def _handle_by_wakeup(
    loop: AbstractEventLoop,
    before: Mapping[signal.Signals, object],
    note: Callable[[signal.Signals], object],
) -> Generator[None]:
    """Do the same with Python's signal handlers, which run as soon as the loop wakes up.

    It is woken by a byte that the interpreter writes at each signal.
    """

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        loop.call_soon_threadsafe(note, signal.Signals(number))

    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.setblocking(False)
        loop.add_reader(near, _drain, near)
        woken = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
        for number in before:
            signal.signal(number, pass_on)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            loop.remove_reader(near)
            for number, handler in before.items():
                _restore(number, handler)


def _restore(number: signal.Signals, handler: object) -> None:
    if handler is None or callable(handler) or isinstance(handler, signal.Handlers):
        signal.signal(number, handler)


def _drain(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        sock.recv(_SIGNAL_BYTES)
