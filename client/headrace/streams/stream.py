"""A stream: a job of this client to which calls are added and from which outcomes are received.

    put ─► outbox ─► sender thread ─► JobQueue.put (one batch of all pending inputs)
    on_values, on_failures ◄─ receiver thread ◄─ ResultQueue.collect (long-poll)

    put, push, wait_for: the same in the thread of a caller that waits for the outcome anyway

Both threads are started by the first ``put`` and end when the job ends: when all outcomes have
arrived after ``close``, or after ``cancel``. If one of them ends for any other reason, an error is
reported to all callers that wait.

The sender is in ``sender``, the receiver in ``receiver``. A signal handler may raise an exception
in a caller's thread at any point; see ``outbox`` for how the state is kept consistent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence

from headrace.engine import Engine
from headrace.streams.inbox import Inbox
from headrace.streams.lanes import Lanes
from headrace.streams.lifetime import Lifetime
from headrace.streams.receiver import Receiver, Waiter
from headrace.streams.sender import Sender
from headrace.submission import SubmitOptions, make_job_spec
from headrace_services.service import Parameters
from headrace_wire.bounds import MAX_NAMED_TASKS
from headrace_wire.errors import (
    HeadraceError,
    JobStateError,
    TaskFailedError,
    UnknownJobError,
    UsageError,
)
from headrace_wire.framing import MAX_FRAME_BYTES
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.system.interrupts import HEED_SECONDS

log = logging.getLogger(__name__)

#: Maximum size of one input in bytes: it is sent in one frame, with some space for the header.
MAX_ITEM_BYTES = MAX_FRAME_BYTES - (1 << 16)


def refuse_large(item: bytes) -> None:
    """Raise UsageError for an input, or a part of one, that is too large to travel."""
    if len(item) > MAX_ITEM_BYTES:
        raise UsageError(
            f"what one call is given is too large to travel: {len(item)} bytes, of "
            f"{MAX_ITEM_BYTES} at most; send less at a time, or a path"
        )


class Stream:
    """Calls of one operation of a service, added one by one. It is thread-safe.

    ``on_values(start, values)`` is called with the values of tasks from ``start`` on, and
    ``on_failures`` with tasks that failed, in any order. Both are called in the receiver thread;
    for awaited tasks they may be called in the thread of the waiting caller, and are called
    again if that thread is interrupted. ``on_broken`` is called once if the stream cannot go on;
    no further outcomes arrive then. With ``gather_seconds``, outcomes may be delayed by as many
    seconds so that more of them arrive together. ``plan_wait`` is called in the receiver thread and
    returns how many seconds to wait for the next outcomes. ``on_silence`` is called with the reason
    if no outcome arrives for some seconds, and ``on_held`` while the coordinator has no room for
    the job. ``explain`` replaces an error that ends the stream by a clearer one. ``on_end`` is
    called after all other callbacks.
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
        on_held: Callable[[str], None] | None = None,
        explain: Callable[[HeadraceError], HeadraceError] | None = None,
        on_end: Callable[[], None] | None = None,
        traced: bool = True,
    ) -> None:
        self._jobs = engine.jobs
        self._on_broken = on_broken
        self._explain = explain
        self._on_end = on_end
        spec = make_job_spec(
            service, operation, parameters, options, tasks=None, carried=True, owned=True
        )
        #: The id of the job.
        self.job_id = spec.id
        #: Only for ``withdraw``: notified when tasks have been sent, and at the end.
        self._changed = threading.Condition()
        self._watchers = 0
        self._started = False
        self._broken: HeadraceError | None = None
        self._lifetime = Lifetime()
        self.lanes = Lanes(self._jobs.info)
        self._receiver = Receiver(
            spec.id,
            self._lifetime,
            Inbox(engine, spec.id, gather_seconds, on_silence),
            on_values=on_values,
            on_failures=on_failures,
            on_complete=self._finish,
            on_broken=self._break,
            plan_wait=plan_wait,
        )
        self._sender = Sender(
            self._jobs,
            spec,
            self._lifetime,
            self.lanes,
            on_ready=self._receiver.start,
            on_sent=self._tell_watchers,
            on_broken=self._break,
            on_held=on_held,
            traced=traced,
        )
        self._outbox = self._sender.outbox

    @property
    def ended(self) -> bool:
        """Whether all outcomes have been passed on, or no more will be."""
        return self._lifetime.ended

    @property
    def is_receiver_thread(self) -> bool:
        """Whether the calling thread passes outcomes on, and so cannot wait for them."""
        return self._receiver.is_receiver_thread

    def put(self, item: bytes, *, awaited: bool = False) -> int:
        """Add one task's input and return the task's index.

        An ``awaited`` input may be kept until ``push`` is called, and its outcome may not be
        fetched until ``wait_for`` is called. Raises JobStateError after ``close``, the error that
        ended the stream, and UsageError if the input is too large to be sent.
        """
        return self._add([item], awaited=awaited)

    def put_all(self, items: Sequence[bytes]) -> int:
        """Add several inputs and return the index of the first. Raises the errors of ``put``."""
        return self._add(items, awaited=False)

    def push(self) -> None:
        """Send pending inputs in this thread, unless another thread is sending."""
        try:
            self._outbox.push()
        except HeadraceError as error:
            self._receiver.report(error)

    def wait_for(self, waiter: Waiter) -> None:
        """Wait for an outcome; receive in this thread whenever no other thread does."""
        self._receiver.wait_for(waiter)

    def receive_here(self, is_over: Callable[[], bool]) -> None:
        """In a callback, receive until ``is_over`` returns true: no other thread could do it."""
        self._receiver.receive_here(is_over)

    def close(self) -> None:
        """Accept no more inputs; outcomes are still received."""
        with self._lifetime.lock:
            self._lifetime.closed = True
            if not self._started and not self._lifetime.ended:  # then there is nothing to wait for
                self._lifetime.complete = self._lifetime.ended = True
                try:  # noqa: SIM105 - as in Lifetime.wait
                    self._lifetime.running.release()
                except RuntimeError:
                    pass
        self._outbox.bell.put(None)
        self._receiver.bell.put(None)

    def cancel(self) -> None:
        """Cancel the job: running tasks are stopped, and ``on_broken`` is called."""
        if self.abandon():
            self._forget()

    def abandon(self) -> bool:
        """Cancel without a call to the coordinator. Returns whether it knows the job."""
        if self._lifetime.complete:
            return False
        self._note_end()
        self._on_broken(JobStateError("the call was cancelled: its pool is gone"))
        self._let_go()
        return self._started

    def forget(self) -> None:
        """Delete the abandoned job from the coordinator. Raises UnreachableError."""
        self._jobs.delete(self.job_id)

    def withdraw(self, indices: Collection[int], *, kill: bool) -> frozenset[int]:
        """Withdraw tasks that have not started, or with ``kill`` also those that have.

        Returns the indices that were withdrawn; ``on_failures`` is called for them. Raises
        UnreachableError.
        """
        known = [index for index in indices if 0 <= index < self._outbox.count]
        last = max(known, default=-1)
        with self._changed:
            self._watchers += 1
            try:
                while not (last < self._outbox.sent or self._lifetime.ended):
                    self._changed.wait(HEED_SECONDS)
            finally:
                self._watchers -= 1
        if self._lifetime.ended or not known:
            return frozenset()
        try:
            return frozenset(
                index
                for place in range(0, len(known), MAX_NAMED_TASKS)
                for index in self._jobs.withdraw(
                    self.job_id, tuple(known[place : place + MAX_NAMED_TASKS]), kill
                )
            )
        except UnknownJobError:  # the job has ended
            return frozenset()

    def join(self) -> None:
        """Wait until all outcomes have been passed on. Raises RuntimeError in a callback."""
        if not self._lifetime.ended:
            if self.is_receiver_thread:
                raise RuntimeError("cannot wait for all calls in the callback of one")
            self._lifetime.wait()

    def _add(self, items: Sequence[bytes], *, awaited: bool) -> int:
        for item in items:
            refuse_large(item)
        with self._lifetime.lock:
            if self._broken:
                raise self._broken
            if self._lifetime.closed:
                raise JobStateError("this stream is closed: it takes no more tasks")
            if awaited:
                self._receiver.awaited.add(self._outbox.count)
            index = self._outbox.add(items)
            if not awaited:
                if not self._receiver.has_unawaited:
                    self._receiver.has_unawaited = True
                    self._receiver.bell.put(None)
                self._outbox.ring()
            if not self._started:
                self._sender.start()
                self._started = True
        return index

    def _finish(self) -> None:
        """End the stream after all outcomes have been passed on."""
        self._lifetime.complete = True
        self._forget()
        self._note_end()
        self._let_go()

    def _note_end(self) -> bool:
        """Mark the stream as ended. Returns False if it was already."""
        if not self._lifetime.end():
            return False
        self._outbox.drop()
        self._outbox.bell.put(None)
        self._receiver.bell.put(None)
        self._tell_watchers()
        return True

    def _let_go(self) -> None:
        """Release the callbacks, which are not called any more."""
        self._receiver.let_go()
        self._on_broken = _ignore
        if self._on_end:
            self._on_end()

    def _tell_watchers(self) -> None:
        if self._watchers:
            with self._changed:
                self._changed.notify_all()

    def _forget(self) -> None:
        try:
            self._jobs.delete(self.job_id)
        except HeadraceError as error:  # then it expires at the coordinator
            log.debug("job %s is left to expire: %s", self.job_id, error)

    def _break(self, error: HeadraceError) -> None:
        if isinstance(error, UnknownJobError):
            error = JobStateError(
                f"job {self.job_id} is gone: somebody deleted it, or this program was not "
                "heard of for two minutes"
            )
        elif isinstance(error, TaskFailedError):
            self._forget()  # the other tasks must not be run
        elif self._explain:
            error = self._explain(error)
        self._broken = error
        if self._note_end():
            self._on_broken(error)
            self._let_go()


def _ignore(*arguments: object) -> None:
    """Replace a callback after the stream has ended."""
