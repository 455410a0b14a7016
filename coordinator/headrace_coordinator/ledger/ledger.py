"""The ledger changes the queue under one lock, and acknowledges a change after its commit.

    calls ─► pending ─► run: runs all pending transitions, writes their events in one
                        transaction, notifies the listeners, and resumes the calls

Calls come from the event loop's thread. All that are ready at the same time share a commit, and
during it the next ones arrive. Other threads only read: the lock is held until the commit is done,
so that nobody sees what is not yet safe. If a commit fails, all its calls fail and the queue is
rebuilt from the store, as at a restart: memory is never ahead of the disk. Until the store can be
written again, nothing more is accepted, but everything can be read and fetched. If the store only
lacks space, changes that free space are accepted.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, TypeVar

from msgspec import Struct

from headrace_coordinator.ledger.clock import Clock
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.events import Event, RoomAppeared, SpansDelivered, WorkAppeared
from headrace_coordinator.queue.lease_proofs import LeaseProofs
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store.need import INTAKE, OUTCOMES, Need
from headrace_coordinator.store.store import Store
from headrace_wire.errors import HeadraceError, StoreError
from headrace_wire.messages.spans import Span

log = logging.getLogger(__name__)

#: What callers are told about an error in the coordinator itself.
FAILED_LINE = "the coordinator failed; its log says why"

#: The coordinator's own time is stored at least this often, in seconds, while there are jobs.
CLOCK_SECONDS = 60.0

#: How many seconds refused outcomes are shown as a problem; workers repeat them every second.
REFUSED_SECONDS = 5.0

Result = TypeVar("Result")

#: Changes the queue, or reads from it.
Transition = Callable[[Queue, Now], Result]

#: Called with events after their commit, under the ledger's lock, so it must be fast.
Listener = Callable[[Sequence[Event]], None]


class _Call(Struct, eq=False):
    """A transition on its way through the ledger, and the caller that waits for its commit."""

    transition: Transition[Any]
    need: Need
    waiter: asyncio.Future[Any] | None = None
    answer: Any = None
    error: HeadraceError | None = None

    def finish(self) -> None:
        """Resume the caller, unless its client has disconnected."""
        if self.waiter is None or self.waiter.done():
            return
        if self.error:
            self.waiter.set_exception(self.error)
        else:
            self.waiter.set_result(self.answer)


class Ledger:
    """The queue together with its store. One thread may change them, and all may read.

    ``on_commit(seconds)`` is called with the duration of each commit. ``problem`` says in one line
    why the store cannot be written now, "" if it can; ``commits`` counts commits. Raises StoreError
    if the store cannot be read. With ``proofs``, leases are recognized that an earlier queue over
    the same store has granted; by default only leases of this ledger are.

    The ledger's clock is the coordinator's own: it counts the seconds for which coordinators have
    served this store. It never jumps, and it stands still while no coordinator runs, or while it is
    stopped.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        on_commit: Callable[[float], None] | None = None,
        proofs: LeaseProofs | None = None,
    ) -> None:
        self.store = store
        self.problem = ""
        self._failure = ""
        self._refusal, self._refused_at = "", -inf
        self.commits = 0
        self._rules = rules
        self._on_commit = on_commit
        self._proofs = proofs or LeaseProofs(secrets.token_bytes())
        self._lock = threading.Lock()
        self._pending: deque[_Call] = deque()
        self._unwritten: list[Event] = []
        self._listeners: list[Listener] = []
        self._clock = Clock(store.load_clock())
        self._clock_stored = self.now().monotonic
        self._queue: Queue | None = self._restore()

    @property
    def may_lease(self) -> bool:
        """Whether outcomes could be accepted now, if only small ones because space is short."""
        return not self._failure or self.store.lacks_room

    def now(self) -> Now:
        """Return the current time by the coordinator's own clock, and wall clock time for
        people.
        """
        return Now(self._clock.read(), time.time())

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def commit(self, transition: Transition[Result], need: Need = OUTCOMES) -> Result:
        """Run a transition and return its result after the commit, which it shares with others.

        Raises what it raises, and StoreError. It is committed even if the caller is cancelled.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Result] = loop.create_future()
        self._pending.append(_Call(transition, need, waiter))
        loop.call_soon(self._run_pending)  # the first of several calls runs all of them
        return await waiter

    def commit_now(self, transition: Transition[Result], need: Need = OUTCOMES) -> Result:
        """Do the same, but block until it is committed, together with everything that is
        pending.
        """
        call = _Call(transition, need)
        self._pending.append(call)
        self._run_pending()
        if call.error:
            raise call.error
        answer: Result = call.answer
        return answer

    def observe(self, transition: Transition[Result]) -> Result:
        """Run a transition that need not be committed at once, such as a lease or a query.

        Its events reach the listeners at once, and the store with the next commit.
        """
        with self._lock:
            queue = self._queue
            if queue is None:
                raise StoreError(self.problem)
            try:
                answer = transition(queue, self.now())
            finally:
                events = queue.state.drain_events()
                self._unwritten += events
                self._tell(events)
        return answer

    def mend(self) -> None:
        """Find out whether a store that could not be written, or lacked space, can be written
        again.
        """
        with self._lock:
            before = self.problem
            try:
                self.store.mend(failed=bool(self._failure))
                self._queue = self._queue or self._restore()
            except StoreError as error:
                self._failure = error.message
            else:
                self._failure = ""
            refused = time.monotonic() - self._refused_at < REFUSED_SECONDS and self._refusal
            self._note_problem(self._failure or self.store.find_shortage(INTAKE) or refused or "")
            if self._queue:
                self._queue.spool.note_disk(self.store.measure_room(), self.problem)
                self._tell(self._queue.state.drain_events())
            if before and not self.problem:
                self._tell([WorkAppeared(), RoomAppeared()])  # for calls that were kept waiting

    def compact(self) -> None:
        """Let the store return space that it no longer needs to the disk."""
        with self._lock:
            try:
                self.store.compact()
            except StoreError as error:
                log.debug("%s", error)  # a commit fails for the same reason, and reports it

    def sweep(self) -> bool:
        """Remove some of what deleted jobs have left. Returns whether there is more."""
        with self._lock:
            return self.store.sweep(self.now().monotonic)

    def _run_pending(self) -> None:
        """Run and commit the pending transitions, and resume the calls."""
        calls: list[_Call] = []
        try:
            with self._lock:
                while self._pending:
                    self._run(calls)
        finally:
            for call in calls:
                call.finish()

    def _run(self, calls: list[_Call]) -> None:
        """Run and commit the pending transitions. Finished calls are added to ``calls``."""
        started = time.monotonic()
        now = self.now()
        queue = self._queue
        group: list[_Call] = []
        try:
            self._run_transitions(queue, now, group)
        except Exception:
            # A transition may have stopped half-way, so nothing of this group may be written.
            log.exception("a transition failed")
            calls += group
            self._start_over(group, HeadraceError(FAILED_LINE))
            return
        calls += group
        if queue is None:
            return
        untold = queue.state.drain_events()
        events = [*self._unwritten, *untold]
        is_late = now.monotonic - self._clock_stored > CLOCK_SECONDS and queue.state.jobs
        if not (events or is_late or self.store.has_due_removals(now.monotonic)):
            return
        small = all(call.error or not call.need.floors for call in group)
        try:
            self.store.write(events, queue.state.jobs, now.monotonic, reserve=small)
        except StoreError as error:
            self._take_back(group, calls, error, small=small)
            self._deliver_again(events)
            return
        except Exception:
            log.exception("a commit failed")
            self._start_over(group, HeadraceError(FAILED_LINE))
            return
        self._unwritten.clear()
        self._clock_stored = now.monotonic
        self.commits += 1
        if self._on_commit:
            self._on_commit(time.monotonic() - started)
        self._tell(untold)

    def _run_transitions(self, queue: Queue | None, now: Now, group: list[_Call]) -> None:
        """Move pending calls into ``group``, each with its result or error. Raises unexpected
        errors.
        """
        size_bytes = 0
        while self._pending:
            call = self._pending.popleft()
            group.append(call)
            size_bytes += call.need.size_bytes
            try:
                refusal = self._refuse(call.need, size_bytes)
                if refusal or queue is None:
                    raise StoreError(refusal or self.problem)
                call.answer = call.transition(queue, now)
            except HeadraceError as error:
                call.error = error

    def _take_back(
        self, group: list[_Call], calls: list[_Call], error: StoreError, *, small: bool
    ) -> None:
        """Fail a group that could not be written. Calls that free space are tried once more."""
        self._failure = error.message
        self._note_problem(error.message)
        if self.store.lacks_room and not small:
            again = [call for call in group if not (call.error or call.need.floors)]
            self._pending.extendleft(reversed(again))
            calls[:] = [call for call in calls if call not in again]
            group = [call for call in group if call not in again]
        self._start_over(group, error)

    def _refuse(self, need: Need, size_bytes: int) -> str:
        """Return why a change that takes this many bytes together with others is refused, or ""."""
        if self._failure and (need.floors or not self.store.lacks_room):
            return self._failure
        if not need.floors:
            return ""
        shortage = self.store.find_shortage(Need(size_bytes, need.floors))
        if shortage and need.floors == OUTCOMES.floors:  # the worker waits, and tries again
            self._refusal, self._refused_at = shortage, time.monotonic()
        return shortage

    def _deliver_again(self, events: Sequence[Event]) -> None:
        """Record once more which values clients have, because they report this only once."""
        jobs = self._queue.state.jobs if self._queue else {}
        for event in events:
            if isinstance(event, SpansDelivered) and self._queue and event.job in jobs:
                kept = jobs[event.job].undelivered
                spans = [Span(start, kept[start][0]) for start in event.starts if start in kept]
                self._queue.intake.deliver(event.job, spans, self.now())

    def _start_over(self, calls: list[_Call], error: HeadraceError) -> None:
        for call in calls:
            call.error = call.error or error
        self._unwritten.clear()
        self._queue = None
        try:
            self._queue = self._restore()
        except StoreError as problem:
            self._note_problem(problem.message)

    def _restore(self) -> Queue:
        queue = Queue(self._rules, secrets.randbits(42) << 20, self._proofs)
        now = self.now()
        for job, attempted in self.store.load():
            queue.restore(job, attempted, now)
        queue.shared.restore(self.store.load_shared(), now)
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
