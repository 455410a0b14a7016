"""A session of a program that waits in threads. One thread sends its heartbeats.

A program says goodbye even if it ends without closing anything.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref

from headrace.async_shared.session_base import (
    BEAT_ANSWER_SECONDS,
    FIRST_BEAT_SECONDS,
    GOODBYE_SECONDS,
    SessionBase,
    Working,
)
from headrace.blocking import BlockingCaller, finish
from headrace.engine import Engine
from headrace_wire.errors import HeadraceError, KeyRefusedError
from headrace_wire.timeouts import Limit

log = logging.getLogger(__name__)


class SharedSession(SessionBase):
    """A session whose coroutines block their thread."""

    def __init__(self, engine: Engine) -> None:
        beats = engine.shared(BEAT_ANSWER_SECONDS, patient=False)
        super().__init__(BlockingCaller(engine.shared()), BlockingCaller(beats))
        _SESSIONS.add(self)

    def _begin(self) -> None:
        super()._begin()
        #: What each thread has got from queues.
        self._working = threading.local()
        self._wake = threading.Event()
        self._beater: threading.Thread | None = None
        #: Whether a task has ended and nothing has been held since. Then no heartbeats are needed,
        #: and the key may have become invalid with the task's job.
        self._is_resting = False

    def end_task(self) -> None:
        """Note that a task of this process is over: its items are done, its locks are released."""
        self._begin_if_forked()
        with self._lock:
            self._is_resting = True
            self._working = threading.local()
            if not (self._items or self._locks):
                return
            self._confirmed |= self._items
            self._abandoned |= self._locks
            self._items.clear()
            self._locks.clear()
        self._wake.set()

    def go_on(self) -> None:
        """Continue with heartbeats, with the current key."""
        self._begin_if_forked()
        self._wake.set()

    def close(self) -> None:
        """Say goodbye, once: locks are released, and items count as done."""
        if self._process != os.getpid():
            return  # it belongs to the parent
        used = self._end()
        beater, self._beater = self._beater, None
        limit = Limit.after(GOODBYE_SECONDS)
        if beater and beater is not threading.current_thread():
            beater.join(limit.measure_left())
        if used:
            finish(self._say_goodbye(limit))

    def _find_working(self) -> Working:
        working: Working = self._working.__dict__
        return working

    def _beat_now(self) -> None:
        self._wake.set()

    def _start_beating(self) -> None:
        self._begin_if_forked()
        with self._lock:
            was_resting, self._is_resting = self._is_resting, False
            if was_resting:
                self._wake.set()
            if self._beater is None and not self._closed:
                self._used = self._is_beating = True
                self._beater = threading.Thread(
                    target=self._keep_beating, name="headrace-heartbeats", daemon=True
                )
                self._beater.start()

    def _keep_beating(self) -> None:
        pause: float | None = 0.0
        while not self._closed:
            self._wake.wait(pause)
            self._wake.clear()
            if self._closed:
                return
            try:
                pause = finish(self._beat())
                with self._lock:
                    if self._is_resting and not (self._abandoned or self._confirmed):
                        pause = None  # until there is something to report or to hold
            except KeyRefusedError as error:
                log.debug("no heartbeats until there is another key: %s", error)
                pause = FIRST_BEAT_SECONDS if error.may_pass else None
            except HeadraceError as error:
                log.debug("no answer to a heartbeat: %s", error)
                pause = FIRST_BEAT_SECONDS


#: The sessions that say goodbye at the end of the program.
_SESSIONS: weakref.WeakSet[SharedSession] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for session in list(_SESSIONS):
        session.close()
