"""Single calls, each with its own function, over one stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol

from headrace.outcomes import Outcome, call_safely
from headrace.streams.stream import Stream, refuse_large
from headrace_services.calls import CallOptions, open_result, rebuild_failure
from headrace_services.calls.plan import Function, label_function
from headrace_services.calls.transport import Serializer
from headrace_wire.encoding import pack
from headrace_wire.errors import HeadraceError, TaskFailedError
from headrace_wire.failures import describe_error
from headrace_wire.locks import make_lock
from headrace_wire.messages.failures import WITHDRAWN, TaskFailure
from headrace_wire.system.interrupts import take
from headrace_wire.tracing import find_tracer, open_span, write_trace

#: The operation whose inputs also contain the function.
CALL = "call"

#: Is called with a call's outcome.
Settle = Callable[[Outcome], object]


class CallWithdrawnError(HeadraceError):
    """The call was taken back before it was over."""

    code = "call_withdrawn"


class OpenStream(Protocol):
    """Opens a stream of the service ``calls``."""

    def __call__(
        self,
        operation: str,
        parameters: dict[str, object],
        *,
        on_values: Callable[[int, Sequence[bytes]], None],
        on_failures: Callable[[Sequence[TaskFailure]], None],
        on_broken: Callable[[HeadraceError], None],
        traced: bool,
    ) -> Stream: ...


class BlockingCall:
    """A call whose caller waits for it, and receives outcomes if no other thread does.

    See ``Stream.wait_for``. The caller decodes what the call returned, so exceptions of the
    decoding are raised in the caller only.
    """

    __slots__ = ("bell", "error", "over", "value")

    def __init__(self) -> None:
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.value: bytes | None = None
        self.error: Exception | None = None
        self.over = False

    def take_value(self, value: bytes) -> None:
        """Store an encoded value as the outcome. It may be called again."""
        self.value = value
        self.over = True
        self.bell.put(None)

    def take_error(self, error: Exception) -> None:
        """Store an exception as the outcome, unless there is one. It may be called again."""
        if not self.over:
            self.error = error
            self.over = True
        self.bell.put(None)


class Calls:
    """Pending calls by the index of their task. It is thread-safe.

    ``on_delivered`` is called with the number of calls whose outcomes were delivered, in the
    thread that receives them. ``on_broken`` is called with the error that ends all calls, and
    returns the one that they raise.
    """

    def __init__(
        self,
        options: CallOptions,
        open_stream: OpenStream,
        on_delivered: Callable[[int], object] | None = None,
        on_broken: Callable[[HeadraceError], HeadraceError] | None = None,
    ) -> None:
        self._options = options
        self._serializer: Serializer = options.serializer
        self._on_delivered = on_delivered
        self._on_broken = on_broken
        self._lock = make_lock()
        #: The callback of each call, or the waiting caller, and the label of its function.
        self._waiting: dict[int, tuple[Settle | BlockingCall, str]] = {}
        #: The outcomes that the receiver thread must still deliver. Each is removed before its
        #: callback runs, because a callback may wait for another call and continue with this queue
        #: there.
        self._undelivered: deque[tuple[Settle, bytes | TaskFailure, int, str]] = deque()
        self.stream = open_stream(
            CALL,
            options.parameters,
            on_values=self._take_values,
            on_failures=self._take_failures,
            on_broken=self._fail_all,
            traced=False,  # each call has a tracing span of its own
        )

    def seal(self, function: Function, args: Sequence[Any], kwds: dict[str, Any]) -> bytes:
        """Encode a call.

        Raises UsageError for a function that cannot be encoded and for arguments that are too
        large, and TypeError or ValueError for other arguments that cannot be encoded.
        """
        frame = self._options.seal_call(tuple(args), kwds)
        refuse_large(frame)  # before it is copied
        parts = [self._options.seal_function(function), frame, label_function(function)]
        if find_tracer() is None:
            return pack(parts)
        about: dict[str, str | int] = {
            "job": self.stream.job_id,
            "service": "calls",
            "operation": label_function(function),
        }
        with open_span("headrace submit", "PRODUCER", about):
            return pack([*parts, write_trace()])

    def call(
        self, function: Function, args: Sequence[Any], kwds: dict[str, Any], settle: Settle
    ) -> None:
        """Make a call. ``settle`` is called with its outcome, in the thread that receives it.

        Raises the errors of ``seal``.
        """
        item = self.seal(function, args, kwds)
        self.hand_over([item], [(settle, label_function(function))])

    def hand_over(self, items: Sequence[bytes], settlers: Sequence[tuple[Settle, str]]) -> int:
        """Make encoded calls. ``settlers`` has the callback of each call and its function's label.

        Returns the index of the first one.
        """
        with self._lock:
            first = self.stream.put_all(items)
            self._waiting.update(enumerate(settlers, first))
        return first

    def apply(self, function: Function, args: Sequence[Any], kwds: dict[str, Any]) -> Any:
        """Make a call and wait for it. This thread sends and receives if no other thread does.

        Raises the errors of ``seal``, and what the function raises.
        """
        item = self.seal(function, args, kwds)
        label = label_function(function)
        call = BlockingCall()
        with self._lock:
            index = self.stream.put(item, awaited=True)
            self._waiting[index] = call, label
        del function, args, kwds, item
        self.stream.push()
        self.stream.wait_for(call)
        while not call.over:
            take(call.bell)
        if call.error is not None:
            raise call.error
        assert call.value is not None
        try:
            return open_result(self._serializer, call.value)
        except Exception as error:
            raise explain_unopened(index, label, error) from error

    @property
    def are_waiting(self) -> bool:
        """Whether there are calls whose outcomes have not all been delivered. It takes no lock."""
        return bool(self._waiting or self._undelivered)

    def list_waiting(self) -> list[int]:
        """Return the indices of the calls that are not over."""
        with self._lock:
            return list(self._waiting)

    def _take_values(self, start: int, values: Sequence[bytes]) -> None:
        self._take(enumerate(values, start))

    def _take_failures(self, failures: Sequence[TaskFailure]) -> None:
        self._take((failure.index, failure) for failure in failures)

    def _take(self, outcomes: Iterable[tuple[int, bytes | TaskFailure]]) -> None:
        others = 0
        for index, what in outcomes:
            call, label = self._waiting.get(index, (None, ""))
            if isinstance(call, BlockingCall):
                if isinstance(what, TaskFailure):
                    call.take_error(open_failure(what, self._serializer))
                else:
                    call.take_value(what)
                # Not earlier: if this is interrupted before, the outcome is delivered again.
                self._waiting.pop(index, None)
            elif call is not None and self._waiting.pop(index, None) is not None:
                self._undelivered.append((call, what, index, label))
                others += 1
        if others:
            self._deliver(others)

    def _deliver(self, count: int) -> None:
        while self._undelivered:
            settle, what, index, label = self._undelivered.popleft()
            if isinstance(what, TaskFailure):
                call_safely(settle, (False, open_failure(what, self._serializer)))
            else:
                call_safely(settle, *open_outcomes(self._serializer, [what], index, label))
            del settle, what
        if self._on_delivered:
            self._on_delivered(count)

    def _fail_all(self, error: HeadraceError) -> None:
        if self._on_broken:
            error = self._on_broken(error)
        while self._waiting:
            with self._lock:
                call = self._waiting.popitem()[1][0] if self._waiting else None
            if isinstance(call, BlockingCall):
                call.take_error(error)
            elif call:
                call_safely(call, (False, error))


def open_outcomes(
    serializer: Serializer, values: Sequence[bytes], start: int, label: str
) -> list[Outcome]:
    """Decode the values that calls of a function returned, from index ``start`` on.

    A value that cannot be decoded becomes a failure. Nothing is raised, because others wait for
    this thread.
    """
    outcomes: list[Outcome] = []
    for value in values:
        try:
            outcomes.append((True, open_result(serializer, value)))
        except BaseException as error:  # noqa: BLE001 - pickles may raise anything
            index = start + len(outcomes)
            outcomes.append((False, explain_unopened(index, label, error)))
    return outcomes


def explain_unopened(index: int, label: str, error: BaseException) -> Exception:
    """Return the exception for a result that has arrived but cannot be decoded in this program."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the class is the user's
        text = ""
    where = f"task {index}, {label}" if label else f"task {index}"
    why = type(error).__name__ + (f": {text}" if text else "")
    return _wrap(f"{where}: its result cannot be opened in this program: {why}", error)


def open_failure(failure: TaskFailure, serializer: Serializer) -> Exception:
    """Return the exception for a failed task. Never raises an exception itself."""
    if failure.reason == WITHDRAWN:
        return CallWithdrawnError()
    try:
        return rebuild_failure(failure, serializer)
    except BaseException as error:  # noqa: BLE001 - the class is the user's, and others wait
        what = f"task {failure.index}: {describe_error(failure)}"
        return _wrap(f"{what} (it cannot be rebuilt here: {type(error).__name__})", error)


def _wrap(message: str, cause: BaseException) -> Exception:
    error = TaskFailedError(message)
    error.__cause__ = cause
    return error
