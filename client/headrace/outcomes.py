"""The results that ``multiprocessing.pool`` returns: AsyncResult, MapResult and the iterators.

A stream's receiver thread sets each of them, and the user's threads read it. A signal handler may
raise an exception in a user's thread at any point. For this reason the receiver thread uses no
Condition or Event here: either may stay locked for ever if a thread is interrupted while it enters
it, which cannot happen with a ``with`` statement over a plain lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import TimeoutError as WaitTimeoutError
from operator import itemgetter
from typing import Any, Generic, Protocol, Self, TypeVar

from headrace_wire.locks import make_lock
from headrace_wire.system.interrupts import acquire
from headrace_wire.timeouts import check_timeout

log = logging.getLogger(__name__)

T = TypeVar("T")

#: A wait of more than this many seconds is without limit: the system accepts no such number.
LONGEST_SECONDS = threading.TIMEOUT_MAX / 2

#: What is called with a result or an error when there is one.
Callback = Callable[[Any], object]

#: An outcome: True and a value, or False and the exception to raise.
Outcome = tuple[bool, Any]


class Home(Protocol):
    """The pool that outcomes come from. A result that is waited for keeps its pool alive."""

    def prepare_to_wait(self, is_over: Callable[[], bool]) -> None:
        """Raise an error if the wait would never end; receive if no other thread can."""
        ...


class OfThisProcess:
    """The common part of a pool and of what it returns: none of them can be pickled."""

    def __reduce__(self) -> Any:
        # The same error as that of multiprocessing.
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")


class AsyncResult(OfThisProcess, Generic[T]):
    """The result of ``apply_async``; see ``multiprocessing.pool.AsyncResult``."""

    def __init__(
        self,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        home: Home | None = None,
    ) -> None:
        self._lock = make_lock()
        #: Held until the outcome is there and was told of.
        self._gate = threading.Lock()
        self._gate.acquire()
        self._over = False
        self._outcome: Outcome | None = None
        self._callback = callback
        self._error_callback = error_callback
        self._home = home

    def ready(self) -> bool:
        """Return whether the call has ended and its callback has returned."""
        return self._over

    def successful(self) -> bool:
        """Return whether the call ended without an exception. Raises ValueError before it ends."""
        if not self._over or self._outcome is None:
            raise ValueError(f"{self!r} not ready")
        return self._outcome[0]

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call has ended, but at most ``timeout`` seconds; None waits without limit,
        and with 0 or less it does not wait.

        Raises TypeError if ``timeout`` is not a number, and ValueError if it is NaN.
        """
        timeout = read_timeout(timeout)
        home = self._home
        if home is not None and not self._over:
            home.prepare_to_wait(self.ready)
        if self._over:
            return
        # The call has ended for good, so it is harmless to release the gate again.
        try:
            acquire(self._gate, None if timeout is None else max(timeout, 0))
        finally:
            if self._over:
                try:  # noqa: SIM105 - the other way has calls in which it may be interrupted
                    self._gate.release()
                except RuntimeError:
                    pass

    def get(self, timeout: float | None = None) -> T:
        """Wait as ``wait`` does, and return the result, the same object each time.

        Raises the exception that the call raised, multiprocessing.TimeoutError if the call has not
        ended in time, and the errors of ``wait``.
        """
        self.wait(timeout)
        if not self._over or self._outcome is None:
            raise WaitTimeoutError
        success, value = self._outcome
        if success:
            result: T = value
            return result
        raise value

    def settle(self, outcome: Outcome) -> None:
        """Set the outcome unless it is set already. The stream calls this."""
        first = False
        try:
            with self._lock:
                if self._outcome is None:
                    self._outcome = outcome
                    first = True
            if first:
                self._call_back(outcome)
        finally:
            if first:
                self._over = True
                try:  # noqa: SIM105 - as above
                    self._gate.release()
                except RuntimeError:  # one who waited has opened it
                    pass
                self._home = None

    def _call_back(self, outcome: Outcome) -> None:
        success, value = outcome
        callback = self._callback if success else self._error_callback
        self._callback = self._error_callback = None
        if callback:
            call_safely(callback, value)


class MapResult(AsyncResult[list[T]]):
    """The result of ``map_async``: a list in the order of the arguments.

    It is ready when all calls have ended. If calls raised exceptions, it raises that of the first
    argument whose call raised one.
    """

    def __init__(
        self,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        home: Home | None = None,
    ) -> None:
        super().__init__(callback, error_callback, home)
        self._values: list[Any] = []
        self._left = 0
        self._first_error: tuple[int, BaseException] | None = None

    def begin(self, length: int) -> None:
        """Set the number of calls. The stream calls this before any outcome is added."""
        self._left = length
        self._values = [None] * length
        if not length:
            # As in multiprocessing, no callback is called.
            self._callback = self._error_callback = None
            self.settle((True, self._values))

    def take(self, start: int, outcomes: Sequence[Outcome]) -> None:
        """Add outcomes. The stream calls this."""
        self._values[start : start + len(outcomes)] = map(itemgetter(1), outcomes)
        if not all(map(itemgetter(0), outcomes)):
            index, error = next(
                (index, value)
                for index, (success, value) in enumerate(outcomes, start)
                if not success
            )
            if self._first_error is None or index < self._first_error[0]:
                self._first_error = (index, error)
        self._left -= len(outcomes)
        if not self._left:
            values, self._values = self._values, []
            first = self._first_error
            self.settle((True, values) if first is None else (False, first[1]))

    def fail(self, error: BaseException) -> None:
        """End with this exception, whatever outcomes are missing. The stream calls this."""
        self.settle((False, error))


class UnorderedIterator(OfThisProcess, Iterator[T]):
    """The iterator that ``imap_unordered`` returns: values and exceptions as they arrive.

    ``on_taken(total)`` is called with the number of outcomes that have been read so far, so that
    more of the input can be submitted.
    """

    def __init__(self, on_taken: Callable[[int], None], home: Home | None = None) -> None:
        self._lock = make_lock()
        self._ready: deque[Outcome] = deque()
        #: A lock for each waiting consumer, released to wake it.
        self._waiting: list[threading.Lock] = []
        self._expected: int | None = None
        self._taken = 0
        self._on_taken = on_taken
        self._failure: BaseException | None = None
        self._home = home

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self.next()

    def next(self, timeout: float | None = None) -> T:
        """Wait for the next value as ``AsyncResult.wait`` does, and return it.

        Raises StopIteration after the last one, the exception that the call raised, and
        multiprocessing.TimeoutError if the value has not arrived in time; it can be waited for
        again.
        """
        deadline = None
        if timeout is not None:
            seconds = read_timeout(timeout)
            deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            with self._lock:
                if self._ready:
                    self._taken += 1
                    success, value = self._ready.popleft()
                    self._on_taken(self._taken)
                    break
                self._raise_if_over()
                news = threading.Lock()
                news.acquire()
                self._waiting.append(news)
            self._wait(news, deadline)
        if not success:
            raise value
        result: T = value
        return result

    def take(self, start: int, outcomes: Sequence[Outcome]) -> None:
        """Add outcomes. The stream calls this."""
        del start
        with self._lock:
            self._ready += outcomes
            self._wake()

    def expect(self, length: int) -> None:
        """Set the total number of outcomes. The stream calls this."""
        with self._lock:
            self._expected = length
            self._wake()

    def fail(self, error: BaseException) -> None:
        """End with this exception after the present outcomes. The stream calls this."""
        with self._lock:
            self._failure = self._failure or error
            self._wake()

    def _wait(self, news: threading.Lock, deadline: float | None) -> None:
        if self._home is not None:
            self._home.prepare_to_wait(lambda: not news.locked())
        if deadline is None:
            acquire(news)
            return
        left = deadline - time.monotonic()
        if not acquire(news, max(left, 0)):
            with self._lock:
                if news.locked() and news in self._waiting:
                    self._waiting.remove(news)
            raise WaitTimeoutError

    def _wake(self) -> None:
        while self._waiting:
            self._waiting.pop().release()

    def _raise_if_over(self) -> None:
        if self._expected is not None and self._taken >= self._expected:
            self._home = None
            raise StopIteration
        if self._failure is not None:
            raise self._failure


class OrderedIterator(UnorderedIterator[T]):
    """The iterator that ``imap`` returns: values and exceptions in the order of the arguments."""

    def __init__(self, on_taken: Callable[[int], None], home: Home | None = None) -> None:
        super().__init__(on_taken, home)
        self._early: dict[int, Outcome] = {}
        self._next = 0

    def take(self, start: int, outcomes: Sequence[Outcome]) -> None:
        """Add outcomes; those that arrive early are kept until it is their turn."""
        with self._lock:
            if start == self._next and not self._early:
                self._ready += outcomes
                self._next += len(outcomes)
            else:
                self._early.update(enumerate(outcomes, start))
                while self._next in self._early:
                    self._ready.append(self._early.pop(self._next))
                    self._next += 1
            if self._ready:
                self._wake()


def read_timeout(timeout: float | None) -> float | None:
    """Return a caller's timeout in seconds, or None to wait without limit.

    Raises TypeError if it is not a number, and ValueError if it is NaN.
    """
    seconds = None if timeout is None else check_timeout(timeout)
    return None if seconds is None or seconds > LONGEST_SECONDS else seconds


def call_safely(callback: Callback, value: object) -> None:
    """Call a user's callback in a thread that others depend on; an exception is logged."""
    try:
        callback(value)
    except Exception:
        log.exception("a callback failed")
    except BaseException as error:
        if threading.current_thread() is threading.main_thread():
            raise  # a signal's handler
        log.exception("a callback raised %s, which has no effect here", type(error).__name__)
