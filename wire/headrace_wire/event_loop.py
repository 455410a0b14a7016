"""The event loop of coordinator and worker: uvloop's where it can be imported, asyncio's elsewhere;
and the signals that end them.

Measured for one small frame there and back: 19 µs with uvloop, 36 µs without.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from headrace_wire.portable import PORTABLE
from headrace_wire.signals import STOP_SIGNALS, heeded

Given = TypeVar("Given")

_make_selector: Any = getattr(selectors, "PollSelector", selectors.DefaultSelector)


def make_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, the fastest that is installed."""
    if PORTABLE:  # without epoll, and without the limits of select
        return asyncio.SelectorEventLoop(_make_selector())
    try:
        import uvloop  # noqa: PLC0415 - it need not be there
    except ImportError:
        return asyncio.SelectorEventLoop()  # on every system, for Windows has another one
    return uvloop.new_event_loop()


def watches_sockets(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop tells when a socket is ready; that of programs on Windows does not."""
    return type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader


def run(main: Coroutine[Any, Any, Given]) -> Given:
    """Run a coroutine in a new event loop, as ``asyncio.run`` does, and return what it returns."""
    with asyncio.Runner(loop_factory=make_event_loop) as runner:
        return runner.run(main)


@contextmanager
def stop_signals_heeded(note: Callable[[signal.Signals], None]) -> Generator[None]:
    """Have the running event loop call ``note`` with each signal that tells the process to go.

    Afterwards they mean again what they did before. Those that are ignored are left alone: so has
    ``nohup`` it with SIGHUP, and a shell with SIGINT in what it runs in the background.
    """
    loop = asyncio.get_running_loop()
    caught = [number for number in STOP_SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    with heeded(loop, caught, note):
        yield
