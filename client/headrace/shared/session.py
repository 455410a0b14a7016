"""A session: this process, as the coordinator knows it where shared state is concerned.

    calls, each on a lane ─► SharedApi.read, change (repeated under one stamp until answered)
    heart thread ─► SharedApi.beat: it lives; what it waits for no more; which items it is done with

The heart is started by the first lock or item that is taken, and stopped by ``close``, which says
goodbye. A program that ends without closing anything says goodbye all the same. A process that was
forked begins a session of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable

from msgspec.structs import replace

from headrace.engine import Engine
from headrace.shared.session_base import (
    BEAT_ANSWER_SECONDS,
    BEATS_PER_LEASE,
    FIRST_BEAT_SECONDS,
    GOODBYE_SECONDS,
    NOT_DONE,
    SessionBase,
)
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.shared import (
    SharedAnswer,
    SharedCall,
    SharedReceipt,
    SharedSpec,
    Stamp,
)
from headrace_wire.timeouts import Limit

log = logging.getLogger(__name__)


class SharedSession(SessionBase):
    """Calls on shared state. Thread safe."""

    def __init__(self, engine: Engine) -> None:
        self._api = engine.shared()
        self._beats = engine.shared(BEAT_ANSWER_SECONDS, patient=False)
        super().__init__()
        _SESSIONS.add(self)

    def _begin(self) -> None:
        super()._begin()
        #: The item that each thread works on, by queue.
        self._working = threading.local()
        self._wake = threading.Event()
        self._heart: threading.Thread | None = None

    def open(self, spec: SharedSpec) -> None:
        """Make a shared object, or find it."""
        self._api.open(spec)

    def read(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        """Look at an object; with a limit wait until then for an answer that is ``done``.

        When the limit is over and the coordinator is away, the answer is not ``done``.
        """
        call = SharedCall(Stamp("", 0, 0), name, kind, operation, values, numbers)
        try:
            return _repeat(self._api.read, call, limit)
        except UnreachableError:
            if limit is None or not limit.is_over:
                raise
            return NOT_DONE

    def change(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> SharedAnswer:
        """Change an object; with a limit wait until then for that to be possible.

        Raises UnreachableError when the coordinator is away, for longer than it is waited for or
        when the limit is over.
        """
        return self.request(name, kind, operation, *values, numbers=numbers, limit=limit)[1]

    def request(
        self,
        name: str,
        kind: str,
        operation: str,
        *values: bytes,
        numbers: tuple[int, ...] = (),
        limit: Limit | None = None,
    ) -> tuple[Stamp, SharedAnswer]:
        """As ``change``, and tell the stamp of the request."""
        with self._take_lane() as stamp:
            call = SharedCall(stamp, name, kind, operation, values, numbers)
            answer = _repeat(self._api.change, call, limit)
            if not answer.done:
                self._note_undone(stamp)
            return stamp, answer

    def acquire(self, name: str, kind: str, limit: Limit) -> tuple[Stamp, int] | None:
        """Take a lock: the request that took it, and its fencing number."""
        self._start_heart()
        try:
            stamp, answer = self.request(name, kind, "acquire", limit=limit)
        except UnreachableError:
            if limit.is_over:  # if the request did arrive, the lock comes free: it is abandoned
                return None
            raise
        if not answer.done:
            return None
        self._note_lock(stamp)
        return stamp, answer.numbers[0]

    def release(self, name: str, kind: str, held: tuple[Stamp, int]) -> None:
        """Let go of a lock. Raises LockLostError."""
        self._begin_if_forked()
        stamp, fencing = held
        self._forget_lock(stamp)
        self.change(name, kind, "release", numbers=(fencing,))

    def take_item(self, name: str, kind: str, limit: Limit) -> SharedAnswer:
        """Take an item of a queue; that with which this thread was busy is done."""
        self._start_heart()
        working = self._find_working()
        done = tuple(receipt.number for receipt in working.get(name, ()))
        answer = self.change(name, kind, "get", numbers=done, limit=limit)
        self._note_item(name, working, answer)
        return answer

    def finish_item(self, name: str, kind: str) -> None:
        """Say that this thread is done with the item that it took."""
        working = self._find_working()
        done = working.get(name, set())
        if done:
            self.change(name, kind, "confirm", numbers=tuple(one.number for one in done))
            self._forget_item(name, working)

    def end_task(self) -> None:
        """A task of this process is over: it is done with its items, and its locks come free."""
        self._begin_if_forked()
        with self._lock:
            if not (self._items or self._locks):
                return
            self._confirmed |= self._items
            self._abandoned |= self._locks
            self._items.clear()
            self._locks.clear()
            self._working = threading.local()
        self._wake.set()

    def close(self) -> None:
        """Say goodbye, once: locks come free, and items count as done."""
        if self._process != os.getpid():
            return  # it is its parent's
        used = self._end()
        heart, self._heart = self._heart, None
        limit = Limit.after(GOODBYE_SECONDS)
        if heart and heart is not threading.current_thread():
            heart.join(limit.measure_left())
        if used:
            # If it fails, what it holds comes free after a while.
            with contextlib.suppress(HeadraceError), limit.applied():
                if self._confirmed:
                    self._beat()
                self._beats.leave(self.id)

    def _find_working(self) -> dict[str, set[SharedReceipt]]:
        self._begin_if_forked()
        working: dict[str, set[SharedReceipt]] = self._working.__dict__
        return working

    def _wake_heart(self) -> None:
        self._wake.set()

    def _start_heart(self) -> None:
        self._begin_if_forked()
        with self._lock:
            if self._heart is None and not self._closed:
                self._used = self._beats_now = True
                self._heart = threading.Thread(
                    target=self._keep_beating, name="headrace-heart", daemon=True
                )
                self._heart.start()

    def _keep_beating(self) -> None:
        pause = 0.0
        while not self._closed:
            self._wake.wait(pause)
            self._wake.clear()
            if self._closed:
                return
            try:
                pause = self._beat()
            except HeadraceError as error:
                log.debug("no answer to a heartbeat: %s", error)
                pause = FIRST_BEAT_SECONDS

    def _beat(self) -> float:
        """Tell the coordinator that this session lives. Returns the seconds until the next time."""
        beat = self._write_beat()
        orders = self._beats.beat(beat)
        self._note_beat(beat)
        return orders.lease_seconds / BEATS_PER_LEASE


#: What is told goodbye at the end of the program.
_SESSIONS: weakref.WeakSet[SharedSession] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for session in list(_SESSIONS):
        session.close()


def _repeat(
    method: Callable[[SharedCall], SharedAnswer], call: SharedCall, limit: Limit | None
) -> SharedAnswer:
    """Ask once, or with a limit again until it is done or time is over."""
    if limit is None:
        return method(call)
    patient = replace(call, wait_seconds=MAX_WAIT_SECONDS)
    with limit.applied():
        while True:
            answer = method(patient)
            if answer.done or limit.is_over:
                return answer
