"""The calls of an executor that wait in this program, where they can be cancelled at once.

submit ─► held ─► handed over, as many as ``pace`` permits ─► outcome
            └─► cancelled: nobody but this program knew of it
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, wait
from functools import partial
from typing import Any, TypeVar

from headrace.calls import Calls, CallWithdrawnError
from headrace.outcomes import Outcome, call_safely, read_timeout
from headrace.pace import Pace
from headrace.streams.stream import Stream
from headrace_services.calls import CallOptions
from headrace_wire.api import MAX_WAIT_SECONDS
from headrace_wire.errors import HeadraceError, NotAllowedError, UnreachableError
from headrace_wire.locks import make_lock
from headrace_wire.system.interrupts import HEED_SECONDS, divide

T = TypeVar("T")

#: How many seconds pass between two checks of the number of slots, while calls are held.
LOOK_SECONDS = 2.0

#: Where a call is: held here, handed over, or withdrawn.
HELD, OUT, BACK = "held", "out", "back"


class ExecutorBrokenError(UnreachableError, BrokenExecutor):
    """The executor's workers are gone."""

    code = "executor_broken"


class CallFuture(Future[T]):
    """A future whose call runs elsewhere; see ``concurrent.futures.Future``.

    As in a ``ProcessPoolExecutor``, a call counts as running when it has been handed over.
    """

    def __init__(self, backlog: Backlog, item: bytes, name: str) -> None:
        super().__init__()
        self._backlog = backlog
        #: The encoded call, while it is held.
        self.item = item
        self.name = name
        self.index = -1
        self.place = HELD

    def cancel(self, *, kill: bool = False) -> bool:
        """Withdraw the call if it has not been handed over; with ``kill``, also if it is running.

        Returns False if it is too late. Raises UnreachableError if the coordinator cannot be asked
        to kill it.
        """
        if self._backlog.take_back(self) or (
            kill and not self.done() and self._backlog.kill(self.index)
        ):
            self.note_withdrawn()
        return self.cancelled()

    def running(self) -> bool:
        """Return whether the call has been handed over and is not over."""
        return self.place == OUT and not self.done()

    def result(self, timeout: float | None = None) -> T:
        """See ``concurrent.futures.Future.result``."""
        seconds = read_timeout(timeout)
        if not self.done():
            self._backlog.prepare_to_wait(self.done)
        return super().result(self._wait(seconds))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See ``concurrent.futures.Future.exception``."""
        seconds = read_timeout(timeout)
        if not self.done():
            self._backlog.prepare_to_wait(self.done)
        return super().exception(self._wait(seconds))

    def _wait(self, seconds: float | None) -> float | None:
        """Wait where a signal would not end the library's own wait. Returns the time left."""
        if HEED_SECONDS is None:
            return seconds
        for part in divide(seconds):
            if wait([self], part).done:
                break
        return 0.0

    def note_withdrawn(self) -> None:
        """Note that the call was withdrawn: the future is cancelled."""
        if not self.cancelled() and super().cancel():
            self.set_running_or_notify_cancel()

    def settle(self, outcome: Outcome) -> None:
        """Note the outcome."""
        self._backlog.note_over(self)
        success, value = outcome
        if isinstance(value, CallWithdrawnError):
            self.note_withdrawn()
        elif not self.done() and self.set_running_or_notify_cancel():
            if success:
                self.set_result(value)
            else:
                self.set_exception(value)


class Backlog:
    """The futures of an executor in the order of their calls. It is thread-safe.

    ``count_slots`` returns the current number of slots, if that may change. Held calls are handed
    over by the thread that receives outcomes, because signals do not interrupt it.
    """

    def __init__(
        self,
        options: CallOptions,
        open_stream: Callable[..., Stream],
        pace: Pace,
        prepare_to_wait: Callable[[Callable[[], bool]], None],
        count_slots: Callable[[], int] | None = None,
    ) -> None:
        self.prepare_to_wait = prepare_to_wait
        self._pace = pace
        self._count_slots = count_slots
        self._looked = time.monotonic()
        self._lock = make_lock()
        self._held: deque[CallFuture[Any]] = deque()
        self._closing = False
        self._broken: HeadraceError | None = None
        self.calls = Calls(
            options,
            partial(open_stream, plan_wait=self._plan_wait),
            on_delivered=self._take_room,
            on_broken=self._fail_held,
        )

    @property
    def is_idle(self) -> bool:
        """Whether no call is held or pending."""
        return not (self._held or self.calls.are_waiting)

    def submit(self, future: CallFuture[Any]) -> None:
        """Make a future's call, now or in turn. Raises ExecutorBrokenError and NotAllowedError."""
        with self._lock:
            if self._broken:
                raise self._broken
            if self._held or not self._pace.has_room(future.name):
                self._held.append(future)
            else:
                self._hand_over([future])

    def take_back(self, future: CallFuture[Any]) -> bool:
        """Withdraw a call that is still held. Returns False if it is not held."""
        with self._lock:
            if future.place != HELD:
                return False
            future.place, future.item = BACK, b""
            return True

    def kill(self, index: int) -> bool:
        """Stop a call that was handed over. Raises UnreachableError."""
        return index in self.calls.stream.withdraw([index], kill=True)

    def note_over(self, future: CallFuture[Any]) -> None:
        """Note that the outcome of a call has arrived."""
        with self._lock:
            if future.place == OUT:
                self._pace.note_over(future.name)

    def take_all_back(self) -> None:
        """Cancel the held calls."""
        while self._held:
            with self._lock:
                future = self._held[0] if self._held else None
            if future is not None:
                future.cancel()
                with self._lock:
                    if self._held and self._held[0] is future:
                        self._held.popleft()

    def withdraw_hopeless(self) -> None:
        """Withdraw the calls that were handed over to a cluster without slots."""
        with contextlib.suppress(HeadraceError):  # they have ended, or cannot be reached
            if self._count_slots is not None and not self._count_slots():
                self.calls.stream.withdraw(self.calls.list_waiting(), kill=False)

    def close(self) -> None:
        """Accept no more calls. Those that are held will still be handed over."""
        with self._lock:
            self._closing = True
            if not self._held:
                self.calls.stream.close()

    def _hand_over(self, futures: list[CallFuture[Any]]) -> None:
        now = time.monotonic()
        items = [future.item for future in futures]
        first = self.calls.hand_over(items, [(future.settle, future.name) for future in futures])
        for index, future in enumerate(futures, first):
            future.index, future.place, future.item = index, OUT, b""
            self._pace.note_out(now)

    def _take_room(self, delivered: int) -> None:
        """Hand over as many calls as there is room for. Called by the receiver after outcomes."""
        del delivered
        with self._lock:
            self._pace.measure(time.monotonic())
            self._fill()

    def _fill(self) -> None:
        futures: list[CallFuture[Any]] = []
        while self._held:
            future = self._held[0]
            if future.place == HELD:
                if not self._pace.has_room(future.name, len(futures)):
                    break
                futures.append(future)
            self._held.popleft()
        if futures:
            self._hand_over(futures)
        if self._closing and not self._held:
            self.calls.stream.close()

    def _plan_wait(self) -> float:
        """Return how long to wait for outcomes. New slots may appear meanwhile."""
        if self._count_slots is None or not self._held:
            return MAX_WAIT_SECONDS
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            slots = self._count_slots()
            self._looked = time.monotonic()
            with self._lock:
                self._pace.slots = slots
                self._fill()
        return LOOK_SECONDS

    def _fail_held(self, error: HeadraceError) -> HeadraceError:
        broken = error
        if not isinstance(error, NotAllowedError):
            broken = ExecutorBrokenError(error.message)
            broken.__cause__ = error
        with self._lock:
            self._broken = broken
            held, self._held = self._held, deque()
        for future in held:
            if self.take_back(future):
                call_safely(future.settle, (False, broken))
        return broken
