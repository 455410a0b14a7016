"""Outcomes as ``multiprocessing.pool`` hands them out: AsyncResult, MapResult and the iterators.

Each is fed by a stream's receiver thread and read by the user's threads.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import TimeoutError as WaitTimeoutError
from typing import Any, Generic, Self, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

#: What is called with a result or an error when there is one.
Callback = Callable[[Any], object]

#: An outcome: True and a value, or False and the exception to raise.
Outcome = tuple[bool, Any]


class AsyncResult(Generic[T]):
    """The result of ``apply_async``; see ``multiprocessing.pool.AsyncResult``."""

    def __init__(
        self, callback: Callback | None = None, error_callback: Callback | None = None
    ) -> None:
        self._event = threading.Event()
        self._success = False
        self._value: Any = None
        self._callback = callback
        self._error_callback = error_callback

    def ready(self) -> bool:
        """Whether the call is over."""
        return self._event.is_set()

    def successful(self) -> bool:
        """Whether it was over without an exception. Raises ValueError when it is not over."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._success

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call is over, or so many seconds."""
        self._event.wait(timeout)

    def get(self, timeout: float | None = None) -> T:
        """The result. Raises what the call raised, and multiprocessing.TimeoutError."""
        if not self._event.wait(timeout):
            raise WaitTimeoutError
        if self._success:
            value: T = self._value
            return value
        raise self._value

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome in: the feeding side."""
        self._success, self._value = outcome
        callback = self._callback if self._success else self._error_callback
        self._callback = self._error_callback = None
        try:
            if callback:
                callback(self._value)
        except Exception:
            # It runs in a thread that others wait for; the result does not suffer from it.
            log.exception("a callback failed")
        finally:
            self._event.set()


class MapResult(AsyncResult[list[T]]):
    """The result of ``map_async``: a list in the order of the arguments.

    It is over when every call is; then it raises the first exception by position, if there was any.
    """

    def __init__(
        self,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> None:
        super().__init__(callback, error_callback)
        self._lock = threading.Lock()
        self._length: int | None = None
        self._values: list[Any] = []
        self._left = 0
        self._first_error: tuple[int, BaseException] | None = None

    def begin(self, length: int) -> None:
        """Say how many calls there are: the feeding side, before any outcome."""
        self._length = self._left = length
        self._values = [None] * length
        if not length:
            self.settle((True, self._values))

    def take_values(self, start: int, values: Sequence[Any]) -> None:
        """Take values in: the feeding side."""
        with self._lock:
            self._values[start : start + len(values)] = values
        self._count(len(values))

    def take_error(self, index: int, error: BaseException) -> None:
        """Take an exception in: the feeding side."""
        with self._lock:
            if self._first_error is None or index < self._first_error[0]:
                self._first_error = (index, error)
        self._count(1)

    def fail(self, error: BaseException) -> None:
        """End with this exception, whatever is still to come: the feeding side."""
        if not self.ready():
            self.settle((False, error))

    def _count(self, outcomes: int) -> None:
        with self._lock:
            self._left -= outcomes
            over = not self._left
        if over and not self.ready():
            error = self._first_error
            self.settle((True, self._values) if error is None else (False, error[1]))


class UnorderedIterator(Iterator[T]):
    """What ``imap_unordered`` gives: values as they come, exceptions where they fell.

    ``on_taken(count)`` is told of outcomes that left, so that as many can come in.
    """

    def __init__(self, on_taken: Callable[[int], None]) -> None:
        self._changed = threading.Condition()
        self._ready: deque[Outcome] = deque()
        self._expected: int | None = None
        self._taken = 0
        self._on_taken = on_taken
        self._failure: BaseException | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return self.next()

    def next(self, timeout: float | None = None) -> T:
        """The next value. Raises StopIteration, multiprocessing.TimeoutError, or what it raised."""
        if not self._ready:
            with self._changed:
                self._changed.wait_for(self._has_news, timeout)
                self._raise_unless_ready()
        success, value = self._ready.popleft()
        self._taken += 1
        self._on_taken(1)
        if not success:
            raise value
        result: T = value
        return result

    def take(self, start: int, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes in: the feeding side."""
        del start
        with self._changed:
            self._ready += outcomes
            self._changed.notify_all()

    def expect(self, length: int) -> None:
        """Say how many outcomes there will be in all: the feeding side."""
        with self._changed:
            self._expected = length
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End with this exception after what is there: the feeding side."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _has_news(self) -> bool:
        return bool(self._ready) or self._failure is not None or self._is_over()

    def _is_over(self) -> bool:
        return self._expected is not None and self._taken >= self._expected

    def _raise_unless_ready(self) -> None:
        if self._ready:
            return
        if self._is_over():
            raise StopIteration
        if self._failure is not None:
            raise self._failure
        raise WaitTimeoutError


class OrderedIterator(UnorderedIterator[T]):
    """What ``imap`` gives: the same in the order of the arguments."""

    def __init__(self, on_taken: Callable[[int], None]) -> None:
        super().__init__(on_taken)
        self._early: dict[int, Outcome] = {}
        self._next = 0

    def take(self, start: int, outcomes: Sequence[Outcome]) -> None:
        """Take outcomes in; those that come before their turn wait for it."""
        with self._changed:
            if start == self._next and not self._early:
                self._ready += outcomes
                self._next += len(outcomes)
            else:
                self._early.update(enumerate(outcomes, start))
                while self._next in self._early:
                    self._ready.append(self._early.pop(self._next))
                    self._next += 1
            if self._ready:
                self._changed.notify_all()
