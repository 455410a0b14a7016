"""A stream: one job of this client's own, into which calls go and out of which outcomes come.

    put ─► outbox ─► sender thread ─► JobQueue.put (one batch for all that came meanwhile)
    on_values, on_failures ◄─ receiver thread ◄─ ResultQueue.collect (long-poll)

    put, push, attend: the same in the thread of a caller who waits for the outcome anyway

Both threads are started by the first ``put`` and end when the job is over: after ``close``, when
every outcome is there, or after ``cancel``. When one of them ends for any other reason, all who
wait are told.

A caller that attends may be interrupted by a signal handler's exception at any point; see
``outbox`` for how the state stays whole. What it has received for others is handed to them by the
receiver thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from msgspec.structs import replace

from headrace.engine import Engine
from headrace.inbox import Inbox
from headrace.lanes import Lanes
from headrace.outbox import Outbox
from headrace.submission import (
    SubmitOptions,
    advise_on_service,
    describe_span,
    make_job_spec,
    wait_for_room,
)
from headrace_services.service import Parameters
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.batch import unpack_batch
from headrace_wire.bounds import MAX_NAMED_TASKS
from headrace_wire.errors import (
    HeadraceError,
    JobStateError,
    ServiceMissingError,
    TaskFailedError,
    UnknownJobError,
    UsageError,
)
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.interrupts import HEED_SECONDS, acquire, take
from headrace_wire.locks import make_lock
from headrace_wire.messages.failures import INITIALIZER_TIMEOUT, TIMEOUT, TaskFailure
from headrace_wire.messages.results import Collected
from headrace_wire.tracing import open_span, write_trace

log = logging.getLogger(__name__)

#: Bytes of one input: it travels in one frame, with some words around it.
MAX_ITEM_BYTES = MAX_FRAME_BYTES - (1 << 16)

#: Seconds between requests by which the coordinator hears that the client lives, while nobody
#: waits.
IDLE_SECONDS = 20.0


class Attendee(Protocol):
    """A caller who waits for the outcome of one task. ``bell`` rings when it is there."""

    bell: SimpleQueue[None]

    @property
    def over(self) -> bool: ...


class Stream:
    """Calls of one service's operation, put one by one. Thread safe.

    ``on_values(start, values)`` is called with the values of tasks from ``start`` on, and
    ``on_failures`` with tasks that failed, in any order and in the receiver thread. Only outcomes
    of attended tasks may be passed on in the thread of a caller that attends, and they are passed
    on again if that is interrupted. ``on_broken`` is called once when the stream cannot go on: no
    further outcome comes. With ``gather_seconds`` outcomes may come that much later, and then many
    at a time. ``plan_wait`` returns, in the receiver thread, how many seconds to wait for the next
    ones. ``on_silence`` is told why none comes, after some seconds. ``explain`` turns what breaks
    the stream into a clearer error. ``on_end`` is called after everything else.
    """

    def __init__(
        self,
        engine: Engine,
        service: str,
        operation: str,
        parameters: Parameters,
        *,
        on_values: Callable[[int, Sequence[bytes]], None],
        on_failures: Callable[[Sequence[TaskFailure]], None],
        on_broken: Callable[[HeadraceError], None],
        options: SubmitOptions | None = None,
        gather_seconds: float = 0.0,
        plan_wait: Callable[[], float] | None = None,
        on_silence: Callable[[str], None] | None = None,
        explain: Callable[[HeadraceError], HeadraceError] | None = None,
        on_end: Callable[[], None] | None = None,
        traced: bool = True,
    ) -> None:
        self._jobs = engine.jobs
        self._on_values = on_values
        self._on_failures = on_failures
        self._on_broken = on_broken
        self._spec = make_job_spec(
            service, operation, parameters, options, tasks=None, carried=True, owned=True
        )
        #: The program's span, for those of the job; else each task brings its own.
        self._trace = write_trace() if traced else ""
        self._is_traced = traced
        self._plan_wait = plan_wait or (lambda: MAX_WAIT_SECONDS)
        self._explain = explain
        self._on_end = on_end
        self._lock = make_lock()
        #: For those who take tasks back, and they alone: the sending of a task, and the end.
        self._changed = threading.Condition()
        self.lanes = Lanes(self._jobs.info)
        self._outbox = Outbox(self._put_batch, self.lanes)
        self._inbox = Inbox(engine, self._spec.id, gather_seconds, on_silence, self.lanes)
        self._watchers = 0
        #: Whether there are tasks that no caller attends to.
        self._unattended = False
        self._attended: set[int] = set()
        #: Callers who wait because somebody else receives.
        self._attendees: dict[Attendee, None] = {}
        #: Who receives; nobody does until the job is there.
        self._receiving: object | None = self
        self._nudge: SimpleQueue[None] = SimpleQueue()
        self._fault: HeadraceError | None = None
        self._started = False
        self._closed = False
        self._ended = False
        self._complete = False
        #: Held until the end: to wait for it is to pass through.
        self._running = threading.Lock()
        self._running.acquire()
        self._broken: HeadraceError | None = None
        self._sending = threading.Lock()
        self._receiver = threading.Thread(
            target=self._receive, name="headrace-receiver", daemon=True
        )

    @property
    def job_id(self) -> str:
        return self._spec.id

    @property
    def ended(self) -> bool:
        """Whether every outcome has been told of, or none will be any more."""
        return self._ended

    @property
    def is_told_here(self) -> bool:
        """Whether this is the thread that passes outcomes on: it cannot wait for them."""
        return threading.current_thread() is self._receiver

    def put(self, item: bytes, *, attended: bool = False) -> int:
        """Hand in one task's input. Returns the task's index.

        An ``attended`` one may stay here until ``push`` is called, and its outcome there until
        ``attend`` is. Raises JobStateError after ``close``, what broke the stream, and UsageError
        for an input that is too large to travel.
        """
        return self._add([item], attended=attended)

    def put_all(self, items: Sequence[bytes]) -> int:
        """Hand in several inputs. Returns the index of the first. Raises what ``put`` does."""
        return self._add(items, attended=False)

    def push(self) -> None:
        """Send in this thread what was put, unless another one does so: for callers that wait."""
        try:
            self._outbox.push()
        except HeadraceError as error:
            self._report(error)

    def attend(self, attendee: Attendee) -> None:
        """Receive in this thread, whenever no other one does, until an outcome is there."""
        while not (attendee.over or self._ended):
            if self.is_told_here:  # a callback makes a call of its own, and waits for it
                self._receive_next(MAX_WAIT_SECONDS)
            elif not self._attend_once(attendee):
                take(attendee.bell)
        self._attendees.pop(attendee, None)

    def receive_here(self, is_over: Callable[[], bool]) -> None:
        """In a callback, go on receiving until something is over: nobody else would do it."""
        while self.is_told_here and not (is_over() or self._ended):
            self._receive_next(MAX_WAIT_SECONDS)

    def close(self) -> None:
        """Hand in nothing more; outcomes still come."""
        with self._lock:
            self._closed = True
            if not self._started and not self._ended:  # then there is nothing to wait for
                self._complete = self._ended = True
                try:  # noqa: SIM105 - as in join
                    self._running.release()
                except RuntimeError:
                    pass
        self._outbox.bell.put(None)
        self._nudge.put(None)

    def cancel(self) -> None:
        """Give up: running tasks are stopped, and ``on_broken`` is told so."""
        if self.abandon():
            self._forget()

    def abandon(self) -> bool:
        """Give up without telling the coordinator. Returns whether it has anything to forget."""
        if self._complete:
            return False
        self._note_end()
        self._on_broken(JobStateError("the call was cancelled: its pool is gone"))
        self._let_go()
        return self._started

    def forget(self) -> None:
        """Have the coordinator forget what was given up. Raises UnreachableError."""
        self._jobs.delete(self.job_id)

    def withdraw(self, indices: Collection[int], *, kill: bool) -> frozenset[int]:
        """Take tasks back that have not started, or with ``kill`` even those that have.

        Returns those that are taken back: ``on_failures`` is told of them. Raises UnreachableError.
        """
        known = [index for index in indices if 0 <= index < self._outbox.count]
        last = max(known, default=-1)
        with self._changed:
            self._watchers += 1
            try:
                while not (last < self._outbox.sent or self._ended):
                    self._changed.wait(HEED_SECONDS)
            finally:
                self._watchers -= 1
        if self._ended or not known:
            return frozenset()
        try:
            return frozenset(
                index
                for place in range(0, len(known), MAX_NAMED_TASKS)
                for index in self._jobs.withdraw(
                    self.job_id, tuple(known[place : place + MAX_NAMED_TASKS]), kill
                )
            )
        except UnknownJobError:  # it is over
            return frozenset()

    def join(self) -> None:
        """Wait until every outcome has been told of. Raises RuntimeError where that is done."""
        if not self._ended:
            if self.is_told_here:
                raise RuntimeError("cannot wait for all calls in the callback of one")
            try:
                acquire(self._running)
            finally:
                if self._ended:  # then it does no harm to open it once more, whoever holds it
                    try:  # noqa: SIM105 - the other way has calls in which it may be interrupted
                        self._running.release()
                    except RuntimeError:
                        pass

    def _add(self, items: Sequence[bytes], *, attended: bool) -> int:
        for item in items:
            if len(item) > MAX_ITEM_BYTES:
                raise UsageError(
                    f"what one call is given is too large to travel: {len(item)} bytes, of "
                    f"{MAX_ITEM_BYTES} at most; send less at a time, or a path"
                )
        with self._lock:
            if self._broken:
                raise self._broken
            if self._closed:
                raise JobStateError("this stream is closed: it takes no more tasks")
            if attended:
                self._attended.add(self._outbox.count)
            index = self._outbox.add(items)
            if not attended:
                if not self._unattended:
                    self._unattended = True
                    self._nudge.put(None)
                self._outbox.ring()
            if not self._started:
                if self._is_traced:
                    self._trace = write_trace() or self._trace
                # When this is interrupted the next one starts a thread: the first of them stays.
                threading.Thread(target=self._send, name="headrace-sender", daemon=True).start()
                self._started = True
        return index

    def _put_batch(self, start: int, packed: bytes) -> None:
        self._wait_for_room(lambda: self._jobs.put(self.job_id, start, packed))

    def _begin(self) -> None:
        try:
            if self._is_traced:
                about = describe_span(self._spec)
                with open_span("headrace submit", "PRODUCER", about, parent=self._trace):
                    self._spec = replace(self._spec, trace=write_trace())
                    self._submit()
            else:
                self._submit()
        except ServiceMissingError as error:
            raise advise_on_service(error, self._spec) from None

    def _submit(self) -> None:
        self._wait_for_room(lambda: self._jobs.submit(self._spec))

    def _send(self) -> None:
        if not self._sending.acquire(blocking=False):
            return
        try:
            self._begin()
            self._receiver.start()
            self._receiving = None
            self._nudge.put(None)
            self._outbox.open()
            while not self._ended:
                if not self._outbox.advance(self._tell_watchers):
                    if self._closed and self._outbox.sent == self._outbox.count:
                        self._jobs.seal(self.job_id, self._outbox.sent)
                        return
                    self._outbox.wait()
        except HeadraceError as error:
            self._break(error)
        except BaseException as error:
            log.exception("the sender of job %s failed", self.job_id)
            self._break(HeadraceError(f"the calls of job {self.job_id} are lost: {error!r}"))
        finally:
            self.lanes.close()

    def _wait_for_room(self, call: Callable[[], object]) -> None:
        """Have a call made as soon as the coordinator has room for it, unless this is over."""
        if not self._ended:
            wait_for_room(call, self._wait_on)

    def _wait_on(self, held_because: str) -> None:
        log.info("%s", held_because)
        if self._ended:
            raise JobStateError("nobody waits for room in the spool any more")

    def _attend_once(self, attendee: Attendee) -> bool:
        """Collect once, if nobody else does. False: the attendee's bell will ring."""
        mine = object()
        try:
            with self._lock:
                if self._receiving is not None:
                    self._attendees[attendee] = None
                    return False
                self._receiving = mine
            self._attendees.pop(attendee, None)
            untold = self._inbox.untold
            if not untold:
                self._inbox.collect(MAX_WAIT_SECONDS)
            while untold and self._is_attended(untold[0]):
                self._tell(untold[0])
                untold.popleft()
            with self._lock:
                self._receiving = None
            if self._is_wanted():
                self._nudge.put(None)
        except HeadraceError as error:
            with self._lock:
                if self._receiving is mine:
                    self._receiving = None
            self._report(error)
        except BaseException:  # a signal's handler may raise anything
            with self._lock:
                if self._receiving is mine:
                    self._receiving = None
            self._nudge.put(None)
            self._attendees.pop(attendee, None)
            raise
        return True

    def _report(self, error: HeadraceError) -> None:
        """Have the receiver thread tell everybody that the stream is broken."""
        self._fault = error
        self._nudge.put(None)

    def _is_wanted(self) -> bool:
        """Whether there is something for the receiver thread to do."""
        return bool(
            self._unattended or self._closed or self._attendees or self._inbox.untold or self._fault
        )

    def _receive(self) -> None:
        idle = False
        try:
            while not self._ended:
                if self._fault:
                    raise self._fault
                with self._lock:
                    free = self._receiving is None
                    if free:
                        self._receiving = self._receiver
                wanted = self._is_wanted()
                if free:
                    if wanted or idle:  # so that the coordinator hears from this program
                        self._receive_next(self._plan_wait() if wanted else 0.0)
                    with self._lock:
                        self._receiving = None
                idle = (not free or not self._is_wanted()) and not self._wait_for_nudge()
        except HeadraceError as error:
            self._break(error)
        except BaseException as error:
            log.exception("the receiver of job %s failed", self.job_id)
            self._break(HeadraceError(f"the outcomes of job {self.job_id} are lost: {error!r}"))

    def _wait_for_nudge(self) -> bool:
        try:
            self._nudge.get(timeout=IDLE_SECONDS)
        except Empty:
            return False
        return True

    def _receive_next(self, wait_seconds: float) -> None:
        """Collect once and tell of everything: the receiver thread's."""
        untold = self._inbox.untold
        if not untold:
            self._inbox.collect(wait_seconds)
        while untold and not self._ended:
            self._tell(untold.popleft())

    def _is_attended(self, collected: Collected) -> bool:
        return (
            not collected.complete
            and all(
                index in self._attended
                for run in collected.runs
                for index in range(run.start, run.stop)
            )
            and all(failure.index in self._attended for failure in collected.failures)
        )

    def _tell(self, collected: Collected) -> None:
        for run in collected.runs:
            self._on_values(run.start, unpack_batch(run.values))
            if self._attended:
                self._attended.difference_update(range(run.start, run.stop))
        if collected.failures:
            self._refuse_initializer(collected.failures)
            self._on_failures(collected.failures)
            self._attended.difference_update([failure.index for failure in collected.failures])
        if collected.complete:
            self._complete = True
            self._forget()
            self._note_end()
            self._let_go()

    def _refuse_initializer(self, failures: Sequence[TaskFailure]) -> None:
        """Break where an initializer does not end: it would not for the other tasks, either."""
        for failure in failures:
            if failure.error_type == INITIALIZER_TIMEOUT and failure.reason == TIMEOUT:
                self._fault = TaskFailedError(
                    f"{failure.message} on worker {failure.worker}: no call can be made"
                )
                raise self._fault

    def _note_end(self) -> bool:
        """Note that this is over. False when it was before."""
        with self._lock:
            if self._ended:
                return False
            self._closed = self._ended = True
            try:  # noqa: SIM105 - as in join
                self._running.release()
            except RuntimeError:
                pass
        self._outbox.drop()
        self._outbox.bell.put(None)
        self._nudge.put(None)
        self._tell_watchers()
        return True

    def _let_go(self) -> None:
        """Let go of those who were told of outcomes: there are no more."""
        self._on_values = self._on_failures = self._on_broken = _ignore
        if self._on_end:
            self._on_end()

    def _tell_watchers(self) -> None:
        if self._watchers:
            with self._changed:
                self._changed.notify_all()

    def _forget(self) -> None:
        try:
            self._jobs.delete(self.job_id)
        except HeadraceError as error:  # then it is forgotten after a while
            log.debug("job %s is left to expire: %s", self.job_id, error)

    def _break(self, error: HeadraceError) -> None:
        if isinstance(error, UnknownJobError):
            error = JobStateError(
                f"job {self.job_id} is gone: somebody deleted it, or this program was not "
                "heard of for two minutes"
            )
        elif isinstance(error, TaskFailedError):
            self._forget()  # the other tasks are not to be tried
        elif self._explain:
            error = self._explain(error)
        self._broken = error
        if self._note_end():
            self._on_broken(error)
            self._let_go()


def _ignore(*told: object) -> None:
    """Stand in for those who were told, when this is over."""
