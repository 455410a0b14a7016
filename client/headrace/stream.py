"""A stream: one job of this client's own, into which calls go and out of which outcomes come.

    put ─► outbox ─► sender thread ─► JobQueue.put (one batch for all that came meanwhile)
    on_values, on_failures ◄─ receiver thread ◄─ ResultQueue.collect (long-poll)

    put, push, attend: the same in the thread of a caller who waits for the outcome anyway

Both threads are started by the first ``put`` and end when the job is over: after ``close``, when
every outcome is there, or after ``cancel``. When one of them ends for any other reason, all who
wait are told.

The sender is in ``sender``, the receiver in ``receiver``. A caller may be interrupted by a signal
handler's exception at any point; see ``outbox`` for how the state stays whole.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence

from headrace.engine import Engine
from headrace.inbox import Inbox
from headrace.lanes import Lanes
from headrace.lifetime import Lifetime
from headrace.receiver import Attendee, Receiver
from headrace.sender import Sender
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
from headrace_wire.interrupts import HEED_SECONDS
from headrace_wire.messages.failures import TaskFailure

log = logging.getLogger(__name__)

#: Bytes of one input: it travels in one frame, with some words around it.
MAX_ITEM_BYTES = MAX_FRAME_BYTES - (1 << 16)


def refuse_large(item: bytes) -> None:
    """Raise UsageError for an input, or a part of one, that is too large to travel."""
    if len(item) > MAX_ITEM_BYTES:
        raise UsageError(
            f"what one call is given is too large to travel: {len(item)} bytes, of "
            f"{MAX_ITEM_BYTES} at most; send less at a time, or a path"
        )


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
        self._on_broken = on_broken
        self._explain = explain
        self._on_end = on_end
        spec = make_job_spec(
            service, operation, parameters, options, tasks=None, carried=True, owned=True
        )
        #: The id of the job.
        self.job_id = spec.id
        #: For those who take tasks back, and they alone: the sending of a task, and the end.
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
            traced=traced,
        )
        self._outbox = self._sender.outbox

    @property
    def ended(self) -> bool:
        """Whether every outcome has been told of, or none will be any more."""
        return self._lifetime.ended

    @property
    def is_told_here(self) -> bool:
        """Whether this is the thread that passes outcomes on: it cannot wait for them."""
        return self._receiver.is_here

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
            self._receiver.report(error)

    def attend(self, attendee: Attendee) -> None:
        """Receive in this thread, whenever no other one does, until an outcome is there."""
        self._receiver.attend(attendee)

    def receive_here(self, is_over: Callable[[], bool]) -> None:
        """In a callback, go on receiving until something is over: nobody else would do it."""
        self._receiver.receive_here(is_over)

    def close(self) -> None:
        """Hand in nothing more; outcomes still come."""
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
        """Give up: running tasks are stopped, and ``on_broken`` is told so."""
        if self.abandon():
            self._forget()

    def abandon(self) -> bool:
        """Give up without telling the coordinator. Returns whether it has anything to forget."""
        if self._lifetime.complete:
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
        except UnknownJobError:  # it is over
            return frozenset()

    def join(self) -> None:
        """Wait until every outcome has been told of. Raises RuntimeError where that is done."""
        if not self._lifetime.ended:
            if self.is_told_here:
                raise RuntimeError("cannot wait for all calls in the callback of one")
            self._lifetime.wait()

    def _add(self, items: Sequence[bytes], *, attended: bool) -> int:
        for item in items:
            refuse_large(item)
        with self._lifetime.lock:
            if self._broken:
                raise self._broken
            if self._lifetime.closed:
                raise JobStateError("this stream is closed: it takes no more tasks")
            if attended:
                self._receiver.attended.add(self._outbox.count)
            index = self._outbox.add(items)
            if not attended:
                if not self._receiver.unattended:
                    self._receiver.unattended = True
                    self._receiver.bell.put(None)
                self._outbox.ring()
            if not self._started:
                self._sender.start()
                self._started = True
        return index

    def _finish(self) -> None:
        """Every outcome has been told of."""
        self._lifetime.complete = True
        self._forget()
        self._note_end()
        self._let_go()

    def _note_end(self) -> bool:
        """Note that this is over. False when it was before."""
        if not self._lifetime.end():
            return False
        self._outbox.drop()
        self._outbox.bell.put(None)
        self._receiver.bell.put(None)
        self._tell_watchers()
        return True

    def _let_go(self) -> None:
        """Let go of those who were told of outcomes: there are no more."""
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
    """Stand in for whoever was told, when this is over."""
