"""The ledger: one lock over the queue, and no acknowledgement before the commit.

    calls ─► pending ─► the first to get the lock runs all pending transitions,
                        writes their events in one transaction, and tells the listeners

So while one commit is under way the next group comes together by itself. The lock is held until
the commit is done: nobody sees what is not yet safe. When the commit fails, all calls of the group
are told so and the queue is made anew from the store, exactly as at a restart: memory is never
ahead of the disk.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from headrace_coordinator.events import Event
from headrace_coordinator.queue import Queue
from headrace_coordinator.state import Now
from headrace_coordinator.store import Store
from headrace_wire.errors import HeadraceError, StoreError

log = logging.getLogger(__name__)

#: A change to the queue, or a look at it.
Transition = Callable[[Queue, Now], Any]

#: Told about events after their commit, under the ledger's lock: it must be quick.
Listener = Callable[[Sequence[Event]], None]


class _Call:
    """A transition on its way through the ledger."""

    __slots__ = ("answer", "error", "finished", "transition")

    def __init__(self, transition: Transition) -> None:
        self.transition = transition
        self.answer: Any = None
        self.error: HeadraceError | None = None
        self.finished = False


class Ledger:
    """The queue and its store, as one. Thread safe.

    ``on_commit(seconds)`` is told how long each commit took. ``problem`` says in one line why the
    store cannot be written just now, "" when it can.
    """

    def __init__(
        self, store: Store, lease_seconds: float, on_commit: Callable[[float], None]
    ) -> None:
        self.store = store
        self.problem = ""
        self._lease_seconds = lease_seconds
        self._on_commit = on_commit
        self._lock = threading.Lock()
        self._pending: deque[_Call] = deque()
        self._unwritten: list[Event] = []
        self._listeners: list[Listener] = []
        self._queue = self._restore()

    def listen(self, listener: Listener) -> None:
        """Tell this listener about events from now on."""
        self._listeners.append(listener)

    def commit(self, transition: Transition) -> Any:
        """Run a transition and answer after its commit. Raises what it raises, and StoreError."""
        call = _Call(transition)
        self._pending.append(call)
        with self._lock:
            if not call.finished:
                self._run_pending()
        if call.error:
            raise call.error
        return call.answer

    def observe(self, transition: Transition) -> Any:
        """Run a transition of which nothing has to be safe, such as a lease or a look.

        Its events reach the listeners at once and the store with the next commit.
        """
        with self._lock:
            try:
                answer = transition(self._queue, read_clock())
            finally:
                events = self._queue.state.drain_events()
                self._unwritten += events
                self._tell(events)
        return answer

    def mend(self) -> None:
        """See whether the store can be written again, if the last attempt failed."""
        if self.problem:
            with self._lock:
                try:
                    self.store.probe()
                except StoreError as error:
                    self._note_problem(error.message)
                else:
                    self._note_problem("")

    def _run_pending(self) -> None:
        calls: list[_Call] = []
        started = time.monotonic()
        now = read_clock()
        while self._pending:
            call = self._pending.popleft()
            calls.append(call)
            call.finished = True
            try:
                call.answer = call.transition(self._queue, now)
            except HeadraceError as error:
                call.error = error
            except Exception:
                # The transition may have stopped half-way: nothing of this group may be written.
                log.exception("a transition failed")
                self._start_over(calls, HeadraceError("the coordinator failed; its log says why"))
                return
        events = self._queue.state.drain_events()
        if not events and not self._unwritten:
            return
        try:
            self.store.write([*self._unwritten, *events], self._queue.state.jobs)
        except StoreError as error:
            self._note_problem(error.message)
            self._start_over(calls, error)
            return
        self._unwritten.clear()
        self._note_problem("")
        self._on_commit(time.monotonic() - started)
        self._tell(events)

    def _start_over(self, calls: list[_Call], error: HeadraceError) -> None:
        for call in calls:
            call.error = call.error or error
        self._unwritten.clear()
        self._queue = self._restore()

    def _restore(self) -> Queue:
        first_lease = secrets.randbits(42) << 20
        queue = Queue(self._lease_seconds, first_lease)
        now = read_clock()
        for job in self.store.load():
            queue.restore(job, now)
        queue.state.drain_events()
        return queue

    def _note_problem(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem) if problem else log.info("the store can be written again")
            self.problem = problem

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for listener in self._listeners:
                listener(events)


def read_clock() -> Now:
    """This moment."""
    return Now(time.monotonic(), time.time())
