"""The loop in the caller's own thread, and the signals that come meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil
import pytest

from headrace_wire.loop import Answer, Loop
from headrace_wire.steps import Bell, Pause

#: Seconds for what must come; a loop that nobody wakes fails the test.
PATIENCE_SECONDS = 20.0


@contextmanager
def handle(deed: Callable[[], None]) -> Iterator[None]:
    """Do something whenever SIGUSR1 comes."""

    def heed(number: int, frame: FrameType | None) -> None:
        deed()

    before = signal.signal(signal.SIGUSR1, heed)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_loop_runs_in_the_callers_thread_until_its_call_ends() -> None:
    seen: list[threading.Thread] = []
    loop = Loop("here")

    def call() -> Answer[None]:
        yield Pause(loop, 0.01)
        seen.append(threading.current_thread())

    files = psutil.Process().num_fds()
    loop.run(call())
    assert seen == [threading.current_thread()]
    assert psutil.Process().num_fds() == files - 2, "the loop's own are closed"


def test_what_the_call_raises_comes_out() -> None:
    loop = Loop("here")

    def call() -> Answer[None]:
        yield Pause(loop, 0.01)
        raise LookupError("inside")

    with pytest.raises(LookupError, match="inside"):
        loop.run(call())


def test_quitting_calls_it_off() -> None:
    loop, ended = Loop("here"), list[str]()

    def call() -> Answer[None]:
        try:
            yield Pause(loop, 3600)
        finally:
            ended.append("called off")

    loop.call_at(time.monotonic() + 0.01, loop.quit)
    loop.run(call())
    assert ended == ["called off"]


def interrupt_the_wait() -> None:
    os.kill(os.getpid(), signal.SIGUSR1)


def come_beside_the_wait() -> None:
    """As a signal that comes just before the wait, it interrupts nothing: a thread has taken it."""
    signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("send", [interrupt_the_wait, come_beside_the_wait])
def test_a_signals_handler_runs_at_once_and_may_wake_who_waits(send: Callable[[], None]) -> None:
    loop = Loop("here")
    bell, rings = Bell(loop), list[bool]()

    def call() -> Answer[None]:
        for _ in range(3):
            threading.Timer(0.02, send).start()
            rings.append((yield bell.wait(time.monotonic() + PATIENCE_SECONDS)))

    with handle(lambda: loop.call(bell.ring)):
        loop.run(call())
    assert rings == [True] * 3
