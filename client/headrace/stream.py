"""A stream: one job of this client's own, into which calls go and out of which outcomes come.

    put ─► pending ─► sender thread ─► JobQueue.put (one batch for all that came meanwhile)
    on_values, on_failures ◄─ receiver thread ◄─ ResultQueue.collect (long-poll)

    put, push, attend: the same in the thread of a caller who waits for the outcome anyway

What was received is said to be here with the next request, so that neither the coordinator nor its
store grows with a stream that never ends. Both threads are started by the first ``put`` and end
when the job is over: after ``close``, when every outcome is there, or after ``cancel``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from functools import partial

from headrace.engine import Engine
from headrace.job import FETCH_BYTES
from headrace.submission import SubmitOptions, insist, make_job_spec
from headrace_services.service import Parameters
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.connection import MAX_FRAME_BYTES
from headrace_wire.errors import (
    HeadraceError,
    JobStateError,
    UnknownJobError,
    UsageError,
)
from headrace_wire.messages import CollectRequest, Span, TaskFailure

log = logging.getLogger(__name__)

#: Bytes of inputs in one batch on their way to the coordinator; a single input may be larger.
BATCH_BYTES = 1 << 20

#: Bytes of one input: it travels in one frame, with some words around it.
MAX_ITEM_BYTES = MAX_FRAME_BYTES - (1 << 16)

#: Inputs in one batch on their way to the coordinator.
BATCH_TASKS = 4096

#: Seconds between requests by which the coordinator hears that the client lives, while nobody
#: waits.
IDLE_SECONDS = 20.0


class Stream:
    """Calls of one service's operation, put one by one. Thread safe.

    ``on_values(start, values)`` is told of the values of tasks from ``start`` on, and
    ``on_failures`` of tasks that failed, in the thread that received them and in any order; each
    task is told of once, but for an interrupt in a caller who attends. ``on_broken`` is told once
    when the stream cannot go on: no further outcome comes. With ``gather_seconds`` outcomes may be
    told of that much later, and then many at a time.
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
    ) -> None:
        self._jobs = engine.jobs
        self._results = engine.results
        self._on_values = on_values
        self._on_failures = on_failures
        self._on_broken = on_broken
        self._spec = make_job_spec(
            service, operation, parameters, options, tasks=None, carried=True, owned=True
        )
        self._gather_seconds = gather_seconds
        self._changed = threading.Condition()
        self._pending: list[bytes] = []
        self._count = self._sent = 0
        self._watchers = 0
        #: Whether there are tasks that no caller attends to.
        self._unattended = False
        self._turn = threading.Condition()
        self._receiving = True  # nothing, until the job is there
        self._cursor = self._failure_cursor = 0
        self._delivered: tuple[Span, ...] = ()
        self._sending = True  # the job itself, at first
        self._started = False
        self._closed = False
        self._ended = False
        self._broken: HeadraceError | None = None
        self._sender = threading.Thread(target=self._send, name="headrace-sender", daemon=True)
        self._receiver = threading.Thread(
            target=self._receive, name="headrace-receiver", daemon=True
        )

    @property
    def job_id(self) -> str:
        return self._spec.id

    def put(self, item: bytes, *, attended: bool = False) -> int:
        """Hand in one task's input. Returns the task's index.

        An ``attended`` one may stay here until ``push`` is called, and its outcome there until
        ``attend`` is. Raises JobStateError after ``close``, what broke the stream, and UsageError
        for an input that is too large to travel.
        """
        if len(item) > MAX_ITEM_BYTES:
            raise UsageError(
                f"what one call is given is too large to travel: {len(item)} bytes, of "
                f"{MAX_ITEM_BYTES} at most; send less at a time, or a path"
            )
        with self._changed:
            self._require_open()
            index = self._count
            self._count += 1
            self._pending.append(item)
            if not attended and (len(self._pending) == 1 or not self._unattended):
                self._unattended = True
                self._changed.notify_all()
            self._start()
            return index

    def push(self) -> None:
        """Send what was put in this thread, unless another one does so: for who waits anyway."""
        try:
            self._send_batch()
        except HeadraceError as error:
            self._break(error)

    def attend(self, is_over: Callable[[], bool]) -> None:
        """Receive in this thread, whenever no other one does, until something is over."""
        while self._take_turn(is_over):
            self._receive_next(MAX_WAIT_SECONDS)

    def put_all(self, items: Sequence[bytes]) -> int:
        """Hand in several inputs. Returns the index of the first. Raises what ``put`` does."""
        for item in items:
            if len(item) > MAX_ITEM_BYTES:
                return self.put(item)
        with self._changed:
            self._require_open()
            index = self._count
            self._count += len(items)
            self._pending += items
            self._unattended = True
            self._changed.notify_all()
            self._start()
            return index

    def close(self) -> None:
        """Hand in nothing more; outcomes still come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Whether every outcome has been told of, or none will be any more."""
        return self._ended

    def cancel(self) -> None:
        """Give up: running tasks are stopped, and ``on_broken`` is told so."""
        with self._changed:
            if self._ended:
                return
            started = self._started
            self._note_end()
        if started:
            self._forget()
        self._on_broken(JobStateError("the call was cancelled: its pool is gone"))

    def withdraw(self, indices: Collection[int], *, kill: bool) -> frozenset[int]:
        """Take tasks back that have not started, or with ``kill`` even those that have.

        Returns those that are taken back: ``on_failures`` is told of them. Raises UnreachableError.
        """
        with self._changed:
            known = [index for index in indices if index < self._count]
            last = max(known, default=-1)
            self._watchers += 1
            try:
                self._changed.wait_for(lambda: last < self._sent or self._ended)
            finally:
                self._watchers -= 1
            if self._ended or not known:
                return frozenset()
        try:
            return frozenset(self._jobs.withdraw(self.job_id, tuple(known), kill))
        except UnknownJobError:  # it is over
            return frozenset()

    def join(self, timeout_seconds: float | None = None) -> bool:
        """Wait until every outcome has been told of. False when that took too long."""
        with self._changed:
            if not self._started:
                return True
            return self._changed.wait_for(lambda: self._ended, timeout_seconds)

    def _require_open(self) -> None:
        if self._broken:
            raise self._broken
        if self._closed:
            raise JobStateError("this stream is closed: it takes no more tasks")

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._sender.start()

    def _send(self) -> None:
        try:
            self._insist(lambda: self._jobs.submit(self._spec))
            self._receiver.start()
            self._leave_turn()
            with self._changed:
                self._sending = False
            while self._wait_for_pending():
                self._send_batch()
            if not self._ended:
                self._jobs.seal(self.job_id, self._sent)
        except HeadraceError as error:
            self._break(error)

    def _wait_for_pending(self) -> bool:
        """Wait until there is something to send and nobody who does; False: there will be none."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._sending and (bool(self._pending) or self._closed)
            )
            return bool(self._pending)

    def _send_batch(self) -> None:
        """Send as many of the pending inputs as travel together, if nobody else is sending."""
        with self._changed:
            if self._sending or not self._pending:
                return
            self._sending = True
            batch = self._take_batch()
        try:
            packed = pack_batch(batch)
            self._insist(partial(self._jobs.put, self.job_id, self._sent, packed))
        except BaseException:
            with self._changed:  # whether they have arrived is not known; they may come twice
                self._pending[:0] = batch
                self._sending = False
                self._changed.notify_all()
            raise
        with self._changed:
            self._sent += len(batch)
            self._sending = False
            if self._pending or self._closed or self._watchers:
                self._changed.notify_all()

    def _take_batch(self) -> list[bytes]:
        size = 0
        for count, item in enumerate(self._pending):
            size += len(item)
            if count and (size > BATCH_BYTES or count == BATCH_TASKS):
                batch = self._pending[:count]
                del self._pending[:count]
                return batch
        batch, self._pending = self._pending, []
        return batch

    def _insist(self, call: Callable[[], object]) -> None:
        """Have a call made as soon as the coordinator has room for it, unless this is over."""
        if not self._ended:
            insist(call, self._wait_on)

    def _wait_on(self, held_because: str) -> None:
        log.info("%s", held_because)
        if self._ended:
            raise JobStateError("nobody waits for room in the spool any more")

    def _receive(self) -> None:
        while not self._ended:
            with self._changed:
                busy = self._changed.wait_for(
                    lambda: self._unattended or self._closed or self._ended, IDLE_SECONDS
                )
            if self._take_turn(lambda: False):
                self._receive_next(MAX_WAIT_SECONDS if busy else 0.0)

    def _take_turn(self, is_over: Callable[[], bool]) -> bool:
        """Wait until nobody else receives. False: something is over, and there is no need to."""
        with self._turn:
            self._turn.wait_for(lambda: not self._receiving or is_over() or self._ended)
            if is_over() or self._ended:
                return False
            self._receiving = True
            return True

    def _receive_next(self, wait_seconds: float) -> None:
        """Collect once and tell of it, then leave the turn to the next."""
        try:
            self._collect(wait_seconds)
        except HeadraceError as error:
            self._break(error)
        except Exception as error:
            log.exception("the receiver of job %s failed", self.job_id)
            self._break(HeadraceError(f"the outcomes of job {self.job_id} are lost: {error!r}"))
        finally:
            self._leave_turn()

    def _leave_turn(self) -> None:
        with self._turn:
            self._receiving = False
            self._turn.notify_all()

    def _collect(self, wait_seconds: float) -> None:
        request = CollectRequest(
            job=self.job_id,
            cursor=self._cursor,
            failure_cursor=self._failure_cursor,
            max_bytes=FETCH_BYTES,
            wait_seconds=wait_seconds,
            gather_seconds=self._gather_seconds,
            delivered=self._delivered,
        )
        collected = self._results.collect(request)
        if self._ended:
            return
        for run in collected.runs:
            self._on_values(run.start, unpack_batch(run.values))
        if collected.failures:
            self._on_failures(collected.failures)
        # Not before: a caller who attends may be interrupted, and then they are collected again.
        self._delivered = tuple(Span(run.start, run.stop) for run in collected.runs)
        self._cursor, self._failure_cursor = collected.cursor, collected.failure_cursor
        if collected.complete:
            self._end()

    def _end(self) -> None:
        self._forget()
        with self._changed:
            self._note_end()

    def _note_end(self) -> None:
        self._closed = self._ended = True
        self._pending.clear()
        self._changed.notify_all()
        with self._turn:
            self._turn.notify_all()

    def _forget(self) -> None:
        try:
            self._jobs.delete(self.job_id)
        except HeadraceError as error:  # then it is forgotten after a while
            log.debug("job %s is left to expire: %s", self.job_id, error)

    def _break(self, error: HeadraceError) -> None:
        with self._changed:
            if self._ended:
                return
            if isinstance(error, UnknownJobError):
                error = JobStateError(
                    f"job {self.job_id} is gone: somebody deleted it, or this program was not "
                    "heard of for two minutes"
                )
            self._broken = error
            self._note_end()
        self._on_broken(error)
