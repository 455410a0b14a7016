"""A ``concurrent.futures.Executor`` across machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor as BaseExecutor
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from headrace.call_session import CallSession
from headrace.calls import Calls, CallWithdrawnError
from headrace.outcomes import Outcome
from headrace.sessions import end_with_program
from headrace.stream import Stream
from headrace.submission import SubmitOptions
from headrace_services.calls.plan import Function
from headrace_services.calls.transport import Serializer

P = ParamSpec("P")
T = TypeVar("T")


class CallFuture(Future[T]):
    """A future whose call runs elsewhere; see ``concurrent.futures.Future``."""

    def __init__(self) -> None:
        super().__init__()
        self._noting = threading.Lock()
        self._stream: Stream | None = None
        self.index = -1

    def place(self, stream: Stream, index: int) -> None:
        """Say where the call is: the executor's."""
        self._stream, self.index = stream, index

    def cancel(self, *, kill: bool = False) -> bool:
        """Take the call back if no worker has it yet; with ``kill`` also one that runs.

        False when it is too late. Raises UnreachableError when the coordinator cannot be asked.
        """
        if self.done() or self._stream is None:
            return self.cancelled()
        if self.index in self._stream.withdraw([self.index], kill=kill):
            self.note_withdrawn()
        return self.cancelled()

    def note_withdrawn(self) -> None:
        """Be cancelled: the call was taken back."""
        with self._noting:
            if not self.cancelled() and super().cancel():
                self.set_running_or_notify_cancel()

    def settle(self, outcome: Outcome) -> None:
        """Take the outcome in."""
        success, value = outcome
        if isinstance(value, CallWithdrawnError):
            self.note_withdrawn()
        elif self.set_running_or_notify_cancel():
            if success:
                self.set_result(value)
            else:
                self.set_exception(value)


class Executor(BaseExecutor):
    """An executor whose calls run here or on a cluster.

    ``Executor()`` and ``Executor(4)`` start a coordinator and a worker on this machine;
    ``Executor("host:7333")`` uses a cluster that is there. See ``headrace.Pool`` for the other
    arguments, and for what is raised.
    """

    def __init__(
        self,
        max_workers: int | str | None = None,
        initializer: Function | None = None,
        initargs: Iterable[Any] = (),
        *,
        mp_context: Any = None,
        max_tasks_per_child: int | None = None,
        thread_name_prefix: str = "",
        key_file: str | Path | None = None,
        serializer: Serializer | None = None,
        task_timeout: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        name: str = "",
    ) -> None:
        del mp_context, thread_name_prefix  # how calls run is the worker's to decide
        if isinstance(max_workers, int) and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._session = CallSession(
            max_workers,
            key_file,
            serializer=serializer,
            initializer=initializer,
            initargs=initargs,
            max_tasks=max_tasks_per_child,
            submit_options=SubmitOptions(
                name=name, priority=priority, timeout_seconds=task_timeout, retries=retries
            ),
        )
        self._lock = threading.Lock()
        self._shut_down = False
        self._futures: set[CallFuture[Any]] = set()
        self._calls = Calls(self._session.options, self._session.open_stream)
        end_with_program(self, self._session.close)

    def end_with_program(self) -> None:
        """Wait for the calls that are on their way, as the standard library's executors do."""
        self.shutdown()

    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CallFuture[T]: ...

    @overload
    def submit(self, fn: str, /, *args: Any, **kwargs: Any) -> CallFuture[Any]: ...

    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> CallFuture[Any]:
        """Make a call of a function, or of one by its name ``module:function``.

        Raises RuntimeError after ``shutdown``, UsageError for a function that cannot travel,
        TypeError and ValueError for arguments.
        """
        future: CallFuture[Any] = CallFuture()

        def settle(outcome: Outcome) -> None:
            with self._lock:
                self._futures.discard(future)
            future.settle(outcome)

        with self._lock:
            if self._shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._futures.add(future)
        try:
            self._calls.call(fn, args, kwargs, settle, future.place)
        except BaseException:
            with self._lock:
                self._futures.discard(future)
            raise
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """See ``concurrent.futures.Executor.map``; how calls travel together is chosen here."""
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        return super().map(fn, *iterables, timeout=timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; see ``concurrent.futures.Executor.shutdown``.

        Without ``wait`` a thread waits for the calls that are on their way, and then frees all.
        """
        with self._lock:
            if self._shut_down and not wait:
                return
            self._shut_down = True
            pending = list(self._futures)
        if cancel_futures:
            self._calls.stream.withdraw([future.index for future in pending], kill=False)
        self._calls.stream.close()
        if wait:
            self._finish()
        else:
            threading.Thread(target=self._finish, name="headrace-shutdown").start()

    def _finish(self) -> None:
        self._calls.stream.join()
        self._session.close()
