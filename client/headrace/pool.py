"""``multiprocessing.Pool`` across machines: the same calls, the same exceptions, another import.

apply, apply_async ─► one stream of calls for the pool
map, starmap, imap ─► a stream each ─► AsyncResult, MapResult, iterators
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headrace.arguments import (
    make_submit_options,
    read_chunksize,
    read_max_tasks,
    read_place,
)
from headrace.call_session import CallSession
from headrace.calls import Calls, open_failure, open_outcomes
from headrace.cluster import Cluster
from headrace.feeder import start_feeder
from headrace.outcomes import (
    AsyncResult,
    Callback,
    MapResult,
    OfThisProcess,
    OrderedIterator,
    Outcome,
    UnorderedIterator,
)
from headrace.program_end import end_with_program
from headrace.window import Window
from headrace_services.calls.plan import Function, label_function, make_parameters
from headrace_services.calls.transport import Serializer
from headrace_wire.encryption import Encryption
from headrace_wire.locks import make_lock
from headrace_wire.messages.failures import TaskFailure

#: Seconds for which the coordinator may hold results of ``map`` back to send more of them at once:
#: ``map`` returns only when it has all of them.
MAP_GATHER_SECONDS = 0.25

#: What a pool is doing: taking calls, finishing them, or nothing any more.
RUN, CLOSE, TERMINATE = "RUN", "CLOSE", "TERMINATE"


class Pool(OfThisProcess):
    """A pool of worker processes, here or on a cluster.

    ``Pool()`` and ``Pool(4)`` start a coordinator and a worker on this machine;
    ``Pool("host:7333")``, or ``Pool(("host", 7333))``, connects to an existing cluster. The key is
    in ``key_file``, and ``tls`` says how the connection is encrypted; see ``Cluster``, also for the
    defaults of both. The other arguments are those of ``multiprocessing.Pool``;
    ``maxtasksperchild`` is ignored on a cluster, where each worker has its own setting.

    ``serializer`` says how functions and values are sent. ``"msgpack"`` sends functions by name and
    values as plain data, and is the default on a cluster. ``"cloudpickle"`` sends any function and
    any value, and is the default on this machine. On a cluster it requires workers that were
    started with ``--allow-pickle``; their results are unpickled here, so these workers could run
    any code in this program. ``task_timeout`` is the time limit of each call in seconds, and
    ``retries`` is the number of times that a failed call is tried again. ``engine`` is what runs
    the calls of a pool on this machine instead of its own processes: ``"dask"`` or ``"ray"`` starts
    a local Dask or Ray cluster, and ``"dask://host:8786"`` or ``"ray://host:6379"`` connects to an
    existing one. The pool uses at most ``processes`` of its processes.

    Raises UsageError for arguments that an engine does not support, UnreachableError, and
    KeyRefusedError.
    """

    #: The state of a pool whose constructor has failed: there is nothing to stop.
    _state = TERMINATE

    def __init__(
        self,
        processes: int | str | tuple[str, int] | None = None,
        initializer: Function | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: Any = None,
        *,
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
        serializer: Serializer | None = None,
        task_timeout: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        name: str = "",
        engine: str | None = None,
    ) -> None:
        del context  # the worker decides how its processes are started
        self._session = CallSession(
            read_place(processes, "processes", "Number of processes must be at least 1"),
            key_file,
            tls=tls,
            serializer=serializer,
            initializer=initializer,
            initargs=initargs,
            max_tasks=read_max_tasks(maxtasksperchild),
            engine=engine,
            submit_options=make_submit_options(
                name=name, priority=priority, timeout_seconds=task_timeout, retries=retries
            ),
        )
        self._lock = make_lock()
        self._calls: Calls | None = None
        self._windows: weakref.WeakSet[Window] = weakref.WeakSet()
        #: Not documented in the standard library, but programs read it.
        self._processes = self._session.processes
        self._state = RUN
        end_with_program(self, self._session.abandon)

    def end_with_program(self) -> None:
        """Stop at once: nobody will read the results."""
        self.terminate()

    def __del__(self) -> None:
        if self._state == RUN and self._session.ownership.is_here:
            warnings.warn(
                f"unclosed running multiprocessing pool {self!r}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    def __repr__(self) -> str:
        kind = f"{type(self).__module__}.{type(self).__qualname__}"
        place = f" {self._session.describe()}" if "_session" in vars(self) else ""
        return f"<{kind} state={self._state}{place}>"

    def prepare_to_wait(self, is_over: Callable[[], bool]) -> None:
        """Prepare a thread that waits for an outcome; see ``Home``."""
        self._session.prepare_to_wait(is_over)

    @property
    def cluster(self) -> Cluster:
        """The cluster that runs the calls, for its shared objects and the list of its workers."""
        return self._session.cluster

    def __enter__(self) -> Self:
        self._require_running()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.terminate()

    def apply(
        self, func: Function, args: Sequence[Any] = (), kwds: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func(*args, **kwds)``, wait for its result, and return it.

        Raises the exception that the function raised, with the worker's traceback as its cause;
        TaskFailedError if the call was lost, was killed, or ran longer than ``task_timeout``; and
        the errors of ``apply_async``.
        """
        self._require_running()
        return self._open_calls().apply(func, args, kwds or {})

    def apply_async(
        self,
        func: Function,
        args: Sequence[Any] = (),
        kwds: dict[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult[Any]:
        """Do what ``apply`` does, but return an AsyncResult without waiting.

        ``callback`` is called with the result, or ``error_callback`` with the exception. Both are
        called in the thread that receives the results of all calls of the pool, so they should
        return quickly. Raises ValueError if the pool is closed or terminated, UsageError for a
        function that cannot be sent, and TypeError or ValueError for arguments that cannot be sent.
        """
        self._require_running()
        result: AsyncResult[Any] = AsyncResult(callback, error_callback, self)
        self._open_calls().call(func, args, kwds or {}, result.settle)
        return result

    def map(
        self, func: Function, iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Call ``func(item)`` for each item, and return a list of the results in order.

        If calls raised exceptions, that of the first such item is raised after all calls have
        ended. ``chunksize`` is the number of consecutive calls that share one copy of a function
        that is sent by value; the default makes four such chunks for each process. Raises
        ValueError if it is below 1, and the errors of ``apply``.
        """
        return self.map_async(func, iterable, chunksize).get()

    def map_async(
        self,
        func: Function,
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult[Any]:
        """Do what ``map`` does, but return a MapResult as soon as the iterable has been read.

        ``callback`` is called once, with the list, or ``error_callback`` with the exception; as in
        ``multiprocessing``, neither is called if the iterable is empty.
        """
        return self._map("map", func, iterable, chunksize, callback, error_callback)

    def starmap(
        self, func: Function, iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """Call ``func(*item)`` for each item; otherwise the same as ``map``."""
        return self.starmap_async(func, iterable, chunksize).get()

    def starmap_async(
        self,
        func: Function,
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult[Any]:
        """Do what ``starmap`` does, but return a MapResult as ``map_async`` does."""
        tuples = (tuple(args) for args in iterable)
        return self._map("starmap", func, tuples, chunksize, callback, error_callback)

    def imap(
        self, func: Function, iterable: Iterable[Any], chunksize: int = 1
    ) -> OrderedIterator[Any]:
        """Call ``func(item)`` for each item, and return an iterator over the results in order.

        The iterable may be endless: a thread reads it, only a limited number of items ahead of the
        results that have been taken. An exception of a call is raised in place of its result, and
        the iterator can be used further. An exception of the iterable itself ends the iterator.
        """
        window = Window()
        iterator: OrderedIterator[Any] = OrderedIterator(window.leave, self)
        self._imap(func, iterable, chunksize, iterator, window)
        return iterator

    def imap_unordered(
        self, func: Function, iterable: Iterable[Any], chunksize: int = 1
    ) -> UnorderedIterator[Any]:
        """Do what ``imap`` does, with results and exceptions in the order in which they arrive."""
        window = Window()
        iterator: UnorderedIterator[Any] = UnorderedIterator(window.leave, self)
        self._imap(func, iterable, chunksize, iterator, window)
        return iterator

    def close(self) -> None:
        """Accept no more calls; calls that were made go on. It may be called more than once."""
        with self._lock:
            if self._state == RUN:
                self._state = CLOSE
        if self._calls:
            self._calls.stream.close()

    def terminate(self) -> None:
        """Stop at once. Calls that have not ended are cancelled, and their results raise
        JobStateError.

        It is called at the end of a ``with`` block, and may be called more than once.
        """
        self._state = TERMINATE
        self._session.abandon()

    def join(self) -> None:
        """Wait for all calls to end, after ``close`` or ``terminate``.

        Raises ValueError if the pool still accepts calls, and RuntimeError in a callback of a call.
        """
        self._session.ownership.require()
        if self._state == RUN:
            raise ValueError("Pool is still running")
        for window in list(self._windows):
            window.remove_limit()  # as in multiprocessing, they end even if nobody reads results
        self._session.join()

    def _require_running(self) -> None:
        self._session.ownership.require()
        if self._state != RUN:
            raise ValueError("Pool not running")

    def _map(
        self,
        operation: str,
        func: Function,
        iterable: Iterable[Any],
        chunksize: int | None,
        callback: Callback | None,
        error_callback: Callback | None,
    ) -> MapResult[Any]:
        self._require_running()
        chunk = read_chunksize(chunksize)
        items = [
            self._session.options.seal_value(argument, f"item {index}")
            for index, argument in enumerate(iterable)
        ]
        chunk = chunk or -(-len(items) // (4 * self._session.processes)) or 1
        parameters = make_parameters(func, self._session.options, chunk)
        result: MapResult[Any] = MapResult(callback, error_callback, self)
        result.begin(len(items))
        take_values, take_failures = self._make_takers(func, result.take)
        if items:
            stream = self._session.open_stream(
                operation,
                parameters,
                on_values=take_values,
                on_failures=take_failures,
                on_broken=result.fail,
                gather_seconds=MAP_GATHER_SECONDS,
            )
            try:
                stream.put_all(items)
            finally:
                stream.close()
        return result

    def _imap(
        self,
        func: Function,
        iterable: Iterable[Any],
        chunksize: int,
        iterator: UnorderedIterator[Any],
        window: Window,
    ) -> None:
        self._require_running()
        chunk = read_chunksize(chunksize) or 1
        arguments = iter(iterable)
        parameters = make_parameters(func, self._session.options, chunk)
        take_opened, take_failures = self._make_takers(func, iterator.take)

        def take_values(start: int, values: Sequence[bytes]) -> None:
            window.learn(len(values), sum(map(len, values)), is_far=stream.lanes.are_long)
            take_opened(start, values)

        def break_off(error: BaseException) -> None:
            window.close()
            iterator.fail(error)

        stream = self._session.open_stream(
            "map",
            parameters,
            on_values=take_values,
            on_failures=take_failures,
            on_broken=break_off,
        )
        self._windows.add(window)
        start_feeder(self._session.options, arguments, stream, iterator, window)

    def _open_calls(self) -> Calls:
        with self._lock:
            if self._calls is None:
                self._calls = Calls(self._session.options, self._session.open_stream)
            return self._calls

    def _make_takers(
        self, func: Function, take: Callable[[int, Sequence[Outcome]], None]
    ) -> tuple[Callable[[int, Sequence[bytes]], None], Callable[[Sequence[TaskFailure]], None]]:
        """Make the two callbacks that decode the values and the failures of a stream.

        They hold no reference to the pool.
        """
        serializer, label = self._session.options.serializer, label_function(func)

        def take_values(start: int, values: Sequence[bytes]) -> None:
            take(start, open_outcomes(serializer, values, start, label))

        def take_failures(failures: Sequence[TaskFailure]) -> None:
            for failure in failures:
                take(failure.index, [(False, open_failure(failure, serializer))])

        return take_values, take_failures
