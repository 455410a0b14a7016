"""The loop: one thread that serves all connections, and the calls that wait.

    sockets ─► handlers ────┐
    timers ─────────────────┼─► ready ─► one after the other ─► before_wait ─► the next wait
    other threads, signals ─┘

A call is a plain function, or a generator that yields steps: a step is started, and when what it
stands for has happened the generator goes on, in this thread. So a call that waits costs no thread,
and one that comes costs no switch between threads.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

log = logging.getLogger(__name__)

#: What a descriptor is watched for: each news is told once, so whoever is told reads it all.
WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET

#: News of a socket that nobody is at the other end any more.
GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR

#: News of a socket that there may be something to read.
READABLE = select.EPOLLIN | GONE

#: Bytes that signals leave, one each, taken out at a time.
SIGNAL_BYTES = 4096

#: Timers that were cancelled stay in line up to this many, or half of the line.
MOST_CANCELLED = 1000

#: The system refuses waits that are much longer than this, in seconds.
LONGEST_WAIT_SECONDS = 86_400.0

#: Goes on with a generator: with what its step gave, or with what it raised.
Resume = Callable[[Any, BaseException | None], None]


class Step(Protocol):
    """Something that a call waits for."""

    def start(self, resume: Resume) -> Callable[[], None]:
        """Have ``resume`` called once, later and in the loop's thread.

        Returns what calls it off, for a call that nobody wants any more.
        """
        ...


Given = TypeVar("Given")

#: A call that waits, as a generator of steps: it gives its answer when it returns.
Answer = Generator[Step, Any, Given]


class Timer:
    """A call at a moment; ``cancel`` lets it be, from any thread."""

    __slots__ = ("_on_cancel", "callback")

    def __init__(self, callback: Callable[[], None], on_cancel: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback
        self._on_cancel = on_cancel

    def cancel(self) -> None:
        if self.callback:
            self.callback = None
            self._on_cancel()


class Loop:
    """Started by ``start`` in a thread of its own and stopped by ``stop``; or it is the caller's
    thread for as long as ``run`` takes. Its methods but ``start``, ``stop``, ``call`` and ``watch``
    are for its own thread.

    ``before_wait`` are called whenever all that was ready is done.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._epoll = select.epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._bell, select.EPOLLIN)
        self._handlers: dict[int, Callable[[int], object]] = {}
        self._ready: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._cancelled = 0
        self._waits = False
        self._stopping = False
        self.before_wait: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self._main: Run | None = None
        self._failure: BaseException | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End the thread after what is ready, and free what it has."""
        self.call(self._note_stop)
        if self._thread:
            self._thread.join(seconds)
        self._free()

    def run(self, waiting: Answer[None]) -> None:
        """Be the main thread's loop until a call has ended, or ``quit``, and free what there is.

        Handlers of signals run at once meanwhile, and may use ``call``. Raises what the call does.
        """
        try:
            with self._wake_for_signals():
                self._main = Run(waiting, self._end_main)
                self._serve()
        finally:
            self._free()
        if self._failure:
            raise self._failure

    def quit(self) -> None:
        """Have ``run`` return, and its call called off."""
        self._note_stop()
        if self._main:
            self._main.call_off()

    def call(self, callback: Callable[[], None]) -> None:
        """Have something called soon. Callable from any thread, and from a signal's handler."""
        self._ready.append(callback)
        if self._waits:
            with contextlib.suppress(OSError):  # it has stopped
                os.eventfd_write(self._bell, 1)

    def call_at(self, moment: float, callback: Callable[[], None]) -> Timer:
        """Have something called at a monotonic time."""
        timer = Timer(callback, self._note_cancelled)
        heapq.heappush(self._timers, (moment, next(self._numbers), timer))
        return timer

    def watch(
        self, descriptor: int, handler: Callable[[int], object], events: int = WATCHED
    ) -> None:
        """Tell ``handler`` of news of a descriptor, as epoll's events; see WATCHED."""
        self._handlers[descriptor] = handler
        self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Watch a descriptor no more; before it is closed."""
        if self._handlers.pop(descriptor, None):
            with contextlib.suppress(OSError):
                self._epoll.unregister(descriptor)

    @contextlib.contextmanager
    def _wake_for_signals(self) -> Generator[None]:
        # Python runs handlers between its own instructions: without a word of it, a signal that
        # comes just before a wait would be handled after it.
        near, far = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.watch(near, lambda _: os.read(near, SIGNAL_BYTES))
        before = signal.set_wakeup_fd(far, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            self.forget(near)
            os.close(near)
            os.close(far)

    def _end_main(self, answer: None, error: BaseException | None) -> None:
        del answer
        self._failure = error
        self._note_stop()

    def _free(self) -> None:
        self._epoll.close()
        os.close(self._bell)

    def _note_stop(self) -> None:
        self._stopping = True

    def _note_cancelled(self) -> None:
        self._cancelled += 1

    def _forget_cancelled(self) -> None:
        if self._cancelled > MOST_CANCELLED and self._cancelled > len(self._timers) // 2:
            self._timers = [entry for entry in self._timers if entry[2].callback]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _serve(self) -> None:
        while not self._stopping:
            try:
                self._run_ready()
                self._wait()
            except Exception:
                log.exception("the loop failed once")

    def _run_ready(self) -> None:
        while True:
            while self._ready:
                self._ready.popleft()()
            for hook in self.before_wait:
                hook()
            if not self._ready:
                return

    def _wait(self) -> None:
        # Said before looking: whoever adds something afterwards rings the bell.
        self._waits = True
        timeout = None
        if self._ready or self._stopping:
            timeout = 0.0
        elif self._timers:
            timeout = min(max(0.0, self._timers[0][0] - time.monotonic()), LONGEST_WAIT_SECONDS)
        events = self._epoll.poll(timeout)
        self._waits = False
        for descriptor, event in events:
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
                continue
            handler = self._handlers.get(descriptor)
            if handler:
                handler(event)
        if self._timers:
            self._ring_timers()
            self._forget_cancelled()

    def _ring_timers(self) -> None:
        now = time.monotonic()
        while self._timers and (self._timers[0][2].callback is None or self._timers[0][0] <= now):
            _, _, timer = heapq.heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback:
                callback()
            else:
                self._cancelled -= 1


class Run:
    """A waiting call on its way. ``on_end`` is told its answer, or what it raised; once."""

    def __init__(self, waiting: Answer[Any], on_end: Resume) -> None:
        self._waiting = waiting
        self._on_end = on_end
        self._call_off: Callable[[], None] | None = None
        self._go_on(None, None)

    def call_off(self) -> None:
        """Forget it; ``on_end`` is told nothing."""
        if self._call_off:
            self._call_off()
            self._call_off = None
            self._waiting.close()

    def _go_on(self, value: Any, error: BaseException | None) -> None:
        self._call_off = None
        try:
            step = self._waiting.throw(error) if error else self._waiting.send(value)
        except StopIteration as end:
            self._on_end(end.value, None)
        except Exception as problem:  # noqa: BLE001 - the call's own, and the caller's to judge
            self._on_end(None, problem)
        else:
            self._call_off = step.start(self._go_on)
