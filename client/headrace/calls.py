"""Calls one by one, each with a function of its own, over one stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from headrace.outcomes import Outcome
from headrace.stream import Stream
from headrace_services.calls import CallOptions, open_result, rebuild_failure
from headrace_services.calls.plan import Function, label_function
from headrace_services.calls.transport import Serializer
from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError
from headrace_wire.messages import WITHDRAWN, TaskFailure

#: The operation whose inputs name the function, too.
CALL = "call"


class CallWithdrawnError(HeadraceError):
    """The call was taken back before it was over."""

    code = "call_withdrawn"


class OpenStream(Protocol):
    """Makes a stream of the service ``calls``."""

    def __call__(
        self,
        operation: str,
        parameters: dict[str, object],
        *,
        on_values: Callable[[int, Sequence[bytes]], None],
        on_failures: Callable[[Sequence[TaskFailure]], None],
        on_broken: Callable[[HeadraceError], None],
    ) -> Stream: ...


class Calls:
    """Calls that are on their way, by the index of their task. Thread safe."""

    def __init__(self, options: CallOptions, open_stream: OpenStream) -> None:
        self._options = options
        self._serializer: Serializer = options.serializer
        self._lock = threading.Lock()
        self._waiting: dict[int, Callable[[Outcome], object]] = {}
        self.stream = open_stream(
            CALL,
            options.parameters,
            on_values=self._take_values,
            on_failures=self._take_failures,
            on_broken=self._fail_all,
        )

    def call(
        self,
        function: Function,
        args: Sequence[Any],
        kwds: dict[str, Any],
        settle: Callable[[Outcome], object],
        place: Callable[[Stream, int], object] | None = None,
        *,
        is_over: Callable[[], bool] | None = None,
    ) -> None:
        """Make a call; ``settle`` is told its outcome, in the thread that receives it.

        Before that ``place`` is told which task of the stream it is. With ``is_over`` this waits
        for it, and this thread sends and receives, if no other one does. Raises UsageError for a
        function that cannot travel, TypeError and ValueError for arguments.
        """
        frame = self._options.seal_call(tuple(args), kwds)
        item = pack([self._options.seal_function(function), frame, label_function(function)])
        with self._lock:
            index = self.stream.put(item, attended=is_over is not None)
            self._waiting[index] = settle
            if place:
                place(self.stream, index)
        if is_over:
            self.stream.push()
            self.stream.attend(is_over)

    def _take_values(self, start: int, values: Sequence[bytes]) -> None:
        indices = range(start, start + len(values))
        with self._lock:
            settlers = [self._waiting.get(index) for index in indices]
        for settle, value in zip(settlers, values, strict=True):
            if settle:
                settle(open_outcome(self._serializer, value))
        self._forget(indices)

    def _take_failures(self, failures: Sequence[TaskFailure]) -> None:
        for failure in failures:
            with self._lock:
                settle = self._waiting.get(failure.index)
            if settle:
                settle((False, _rebuild(failure)))
        self._forget(failure.index for failure in failures)

    def _forget(self, indices: Iterable[int]) -> None:
        """Let go of calls that are settled; one that was interrupted in that is settled again."""
        with self._lock:
            for index in indices:
                self._waiting.pop(index, None)

    def _fail_all(self, error: HeadraceError) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for settle in waiting.values():
            settle((False, error))


def open_outcome(serializer: Serializer, value: bytes) -> Outcome:
    """Decode what a function returned; that may fail like the function itself."""
    try:
        return True, open_result(serializer, value)
    except Exception as error:  # noqa: BLE001 - what was pickled may raise anything
        return False, error


def _rebuild(failure: TaskFailure) -> Exception:
    return CallWithdrawnError() if failure.reason == WITHDRAWN else rebuild_failure(failure)
