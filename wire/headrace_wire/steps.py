"""What a call in a loop may wait for: some time, a bell, or what blocks and so has a thread.

See ``headrace_wire.loop``: each is yielded by a generator, and begins when it is started.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from math import inf
from typing import Any

from headrace_wire.loop import Loop, Resume, Timer


class Pause:
    """A step that lasts for some seconds."""

    def __init__(self, loop: Loop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds

    def start(self, resume: Resume) -> Callable[[], None]:
        moment = time.monotonic() + self._seconds
        return self._loop.call_at(moment, lambda: resume(None, None)).cancel


class Waiter:
    """Somebody who waits until something rings or a moment comes, and goes on once."""

    def __init__(self, loop: Loop, resume: Resume) -> None:
        self._loop = loop
        self._resume: Resume | None = resume
        self._rang = False
        self.timer: Timer | None = None

    def end(self, *, rang: bool) -> None:
        """Let it go on soon, told whether it was rung for. Callable from any thread."""
        if self.timer:
            self.timer.cancel()
        self._rang = rang
        self._loop.call(lambda: self._go_on(rang=rang))

    def drop(self) -> bool:
        """Let it be; tells whether it was woken for something that others may want."""
        if self.timer:
            self.timer.cancel()
        unheard = self._rang and self._resume is not None
        self._resume = None
        return unheard

    def _go_on(self, *, rang: bool) -> None:
        resume, self._resume = self._resume, None
        if resume:
            resume(rang, None)


class Bell:
    """Wakes the one call that waits for it; a ring before the wait is not lost."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._rang = False
        self._waiter: Waiter | None = None

    def ring(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter:
            waiter.end(rang=True)
        else:
            self._rang = True

    def wait(self, deadline: float = inf) -> BellWait:
        """A step until it rings; gives False when the monotonic ``deadline`` came first."""
        return BellWait(self, deadline)

    def add(self, resume: Resume, deadline: float) -> Callable[[], None]:
        """Let somebody wait, or go on at once; returns what lets it be."""
        waiter = Waiter(self._loop, resume)
        if self._rang:
            self._rang = False
            waiter.end(rang=True)
        else:
            self._waiter = waiter
            if deadline < inf:
                waiter.timer = self._loop.call_at(deadline, self._expire)
        return lambda: self._drop(waiter)

    def _expire(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter:
            waiter.end(rang=False)

    def _drop(self, waiter: Waiter) -> None:
        waiter.drop()
        self._waiter = None


class BellWait:
    """A step; see ``Bell.wait``."""

    def __init__(self, bell: Bell, deadline: float) -> None:
        self._bell = bell
        self._deadline = deadline

    def start(self, resume: Resume) -> Callable[[], None]:
        return self._bell.add(resume, self._deadline)


class Aside:
    """A step that does what blocks in a thread of its own, and gives what that returns or raises.

    Where nobody waits for it any more, ``discard`` is handed what it returned.
    """

    def __init__(
        self,
        loop: Loop,
        function: Callable[[], Any],
        discard: Callable[[Any], object] = lambda _: None,
    ) -> None:
        self._loop = loop
        self._function = function
        self._discard = discard
        self._resume: Resume | None = None
        self._thread = threading.Thread(target=self._run, name="aside", daemon=True)

    def start(self, resume: Resume) -> Callable[[], None]:
        self._resume = resume
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads to be had
            problem = OSError(str(error))
            self._loop.call(lambda: self._end(None, problem))
        return self._call_off

    def _run(self) -> None:
        try:
            value = self._function()
        except Exception as error:  # noqa: BLE001 - told to who waits
            problem = error
            self._loop.call(lambda: self._end(None, problem))
        else:
            self._loop.call(lambda: self._end(value, None))

    def _end(self, value: Any, error: BaseException | None) -> None:
        if self._thread.ident is not None:
            self._thread.join()
        if self._resume:
            self._resume(value, error)
        elif error is None:
            self._discard(value)

    def _call_off(self) -> None:
        self._resume = None
