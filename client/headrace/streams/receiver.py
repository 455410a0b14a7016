"""Receives a stream's outcomes, in its own thread or in that of a caller that waits for one.

Only one thread receives at a time. A signal handler may raise an exception in the caller's thread
at any point; the receiver thread then passes on the outcomes that the caller received for others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol

from headrace.streams.inbox import Inbox
from headrace.streams.lifetime import Lifetime
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import HeadraceError, TaskFailedError
from headrace_wire.messages.failures import INITIALIZER_TIMEOUT, TIMEOUT, TaskFailure
from headrace_wire.messages.results import Collected
from headrace_wire.system.interrupts import take

log = logging.getLogger(__name__)

#: Seconds between requests that show the coordinator that the client is alive, while no thread
#: waits.
IDLE_SECONDS = 20.0


class Waiter(Protocol):
    """A caller that waits for the outcome of one task. ``bell`` rings when it has arrived."""

    bell: SimpleQueue[None]

    @property
    def over(self) -> bool: ...


class Receiver:
    """Receives outcomes and passes them to ``on_values`` and ``on_failures``.

    ``on_complete`` is called after the last one, and ``on_broken`` if no more can arrive.
    ``plan_wait`` is called in the receiver thread and returns how many seconds to wait for the next
    outcomes. ``bell`` wakes that thread when it may be needed.
    """

    def __init__(
        self,
        job: str,
        lifetime: Lifetime,
        inbox: Inbox,
        *,
        on_values: Callable[[int, Sequence[bytes]], None],
        on_failures: Callable[[Sequence[TaskFailure]], None],
        on_complete: Callable[[], object],
        on_broken: Callable[[HeadraceError], object],
        plan_wait: Callable[[], float] | None,
    ) -> None:
        self._job = job
        self._lifetime = lifetime
        self._inbox = inbox
        self._on_values = on_values
        self._on_failures = on_failures
        self._on_complete = on_complete
        self._on_broken = on_broken
        self._plan_wait = plan_wait or (lambda: MAX_WAIT_SECONDS)
        self.bell: SimpleQueue[None] = SimpleQueue()
        #: Whether there are tasks that no caller waits for, and the tasks that one waits for.
        self.has_unawaited = False
        self.awaited: set[int] = set()
        #: Callers that wait while another thread receives.
        self._waiters: dict[Waiter, None] = {}
        #: Held by the thread that receives; nothing is received until the job has been submitted.
        self._receiving: object | None = self
        self._fault: HeadraceError | None = None
        self._thread = threading.Thread(target=self._run, name="headrace-receiver", daemon=True)

    @property
    def is_receiver_thread(self) -> bool:
        """Whether the calling thread passes outcomes on, and so cannot wait for them."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Begin to receive outcomes: the job has been submitted."""
        self._thread.start()
        self._receiving = None
        self.bell.put(None)

    def wait_for(self, waiter: Waiter) -> None:
        """Wait for an outcome; receive in this thread whenever no other thread does."""
        while not (waiter.over or self._lifetime.ended):
            if self.is_receiver_thread:  # a callback makes a call of its own, and waits for it
                self._receive_next(MAX_WAIT_SECONDS)
            elif not self._receive_once(waiter):
                take(waiter.bell)
        self._waiters.pop(waiter, None)

    def receive_here(self, is_over: Callable[[], bool]) -> None:
        """In a callback, receive until ``is_over`` returns true: no other thread could do it."""
        while self.is_receiver_thread and not (is_over() or self._lifetime.ended):
            self._receive_next(MAX_WAIT_SECONDS)

    def report(self, error: HeadraceError) -> None:
        """Let the receiver thread report that the stream cannot go on."""
        self._fault = error
        self.bell.put(None)

    def let_go(self) -> None:
        """Release the callbacks, which are not called any more."""
        self._on_values = self._on_failures = _ignore

    def _receive_once(self, waiter: Waiter) -> bool:
        """Collect once. Returns False if another thread collects and will ring the bell."""
        mine = object()
        try:
            with self._lifetime.lock:
                if self._receiving is not None:
                    self._waiters[waiter] = None
                    return False
                self._receiving = mine
            self._waiters.pop(waiter, None)
            undelivered = self._inbox.undelivered
            if not undelivered:
                self._inbox.collect(MAX_WAIT_SECONDS)
            while undelivered and self._are_awaited(undelivered[0]):
                self._tell(undelivered[0])
                undelivered.popleft()
            with self._lifetime.lock:
                self._receiving = None
            if self._is_wanted():
                self.bell.put(None)
        except HeadraceError as error:
            with self._lifetime.lock:
                if self._receiving is mine:
                    self._receiving = None
            self.report(error)
        except BaseException:  # a signal's handler may raise anything
            with self._lifetime.lock:
                if self._receiving is mine:
                    self._receiving = None
            self.bell.put(None)
            self._waiters.pop(waiter, None)
            raise
        return True

    def _is_wanted(self) -> bool:
        """Return whether there is something for the receiver thread to do."""
        return bool(
            self.has_unawaited
            or self._lifetime.closed
            or self._waiters
            or self._inbox.undelivered
            or self._fault
        )

    def _run(self) -> None:
        idle = False
        try:
            while not self._lifetime.ended:
                if self._fault:
                    raise self._fault
                with self._lifetime.lock:
                    free = self._receiving is None
                    if free:
                        self._receiving = self._thread
                wanted = self._is_wanted()
                if free:
                    if wanted or idle:  # to show the coordinator that this program is alive
                        self._receive_next(self._plan_wait() if wanted else 0.0)
                        # No other thread may receive before all planned pieces have been fetched.
                        while self._inbox.has_pieces and not (self._lifetime.ended or self._fault):
                            self._receive_next(0.0)
                    with self._lifetime.lock:
                        self._receiving = None
                idle = (not free or not self._is_wanted()) and not self._wait_for_bell()
        except HeadraceError as error:
            self._on_broken(error)
        except BaseException as error:
            log.exception("the receiver of job %s failed", self._job)
            self._on_broken(HeadraceError(f"the outcomes of job {self._job} are lost: {error!r}"))
        finally:
            self._inbox.close()

    def _wait_for_bell(self) -> bool:
        try:
            self.bell.get(timeout=IDLE_SECONDS)
        except Empty:
            return False
        return True

    def _receive_next(self, wait_seconds: float) -> None:
        """Collect outcomes once and pass them on. Called in the receiver thread."""
        inbox = self._inbox
        if not inbox.undelivered and not inbox.collect_piece():
            inbox.collect(wait_seconds, ahead=True)
        while inbox.undelivered and not self._lifetime.ended:
            self._tell(inbox.undelivered.popleft())

    def _are_awaited(self, collected: Collected) -> bool:
        return (
            not collected.complete
            and all(
                index in self.awaited
                for run in collected.runs
                for index in range(run.start, run.stop)
            )
            and all(failure.index in self.awaited for failure in collected.failures)
        )

    def _tell(self, collected: Collected) -> None:
        for run in collected.runs:
            self._on_values(run.start, unpack_batch(run.values))
            if self.awaited:
                self.awaited.difference_update(range(run.start, run.stop))
        if collected.failures:
            self._refuse_initializer(collected.failures)
            self._on_failures(collected.failures)
            self.awaited.difference_update([failure.index for failure in collected.failures])
        if collected.complete:
            self._on_complete()

    def _refuse_initializer(self, failures: Sequence[TaskFailure]) -> None:
        """Raise an error for an initializer that does not return: every task would wait for it."""
        for failure in failures:
            if failure.error_type == INITIALIZER_TIMEOUT and failure.reason == TIMEOUT:
                self._fault = TaskFailedError(
                    f"{failure.message} on worker {failure.worker}: no call can be made"
                )
                raise self._fault


def _ignore(*arguments: object) -> None:
    """Replace a callback after the stream has ended."""
