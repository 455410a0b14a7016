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

#: Seconds for which results of ``map`` may be gathered where they are kept: it needs them all.
MAP_GATHER_SECONDS = 0.25

#: What a pool is doing: taking calls, finishing them, or nothing any more.
RUN, CLOSE, TERMINATE = "RUN", "CLOSE", "TERMINATE"


class Pool:
    """A pool of worker processes, here or on a cluster.

    ``Pool()`` and ``Pool(4)`` start a coordinator and a worker on this machine;
    ``Pool("host:7333")`` uses a cluster that is there, with the key in ``key_file``, or else in
    ``HEADRACE_KEY_FILE`` or the user's own folder; ``tls`` is how the connection is encrypted, see
    ``Cluster``. The other arguments are those of ``multiprocessing.Pool``; on a cluster
    ``maxtasksperchild`` is the workers' own to decide.

    ``serializer`` is how functions and values travel: ``"msgpack"``, by name and as plain data, is
    what a cluster takes; ``"cloudpickle"``, anything at all, is the rule here, and on a cluster
    needs workers started with ``--allow-pickle``: what those return is unpickled here, so that they
    could run any code in this program. ``task_timeout`` is the time limit of each call in seconds;
    ``retries`` how often one that failed is tried again. ``engine`` is what runs the calls of a
    pool that is started here, in place of processes of its own: ``"dask"`` or ``"ray"`` starts a
    Dask or Ray cluster of this machine, ``"dask://host:8786"`` and ``"ray://host:6379"`` use the
    one that is there, and of either the pool uses at most as many processes as it is told.

    Raises UsageError for what an engine cannot do, UnreachableError and KeyRefusedError.
    """

    #: Until there is something to end.
    _state = TERMINATE

    def __init__(
        self,
        processes: int | str | None = None,
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
        del context  # how processes start is the worker's to decide
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
        #: What programs look at although it is not documented.
        self._processes = self._session.processes
        self._state = RUN
        end_with_program(self, self._session.abandon)

    def end_with_program(self) -> None:
        """Stop at once: whoever wanted the results is gone."""
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
        return f"<{kind} state={self._state} at {id(self):#x}>"

    def prepare_to_wait(self, is_over: Callable[[], bool]) -> None:
        """Prepare a thread that waits for an outcome; see ``Home``."""
        self._session.prepare_to_wait(is_over)

    @property
    def cluster(self) -> Cluster:
        """The cluster that runs the calls: for shared state, and a look at its workers."""
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

    def __reduce__(self) -> Any:
        # As multiprocessing has it.
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def apply(
        self, func: Function, args: Sequence[Any] = (), kwds: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func(*args, **kwds)`` and wait for its result.

        Raises what the function raised, with the traceback of the worker as its cause;
        TaskFailedError where the call was lost, killed, or ran longer than ``task_timeout``; and
        what ``apply_async`` does.
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
        """``apply`` without waiting.

        ``callback`` is called with the result, or ``error_callback`` with the exception, in a
        thread that receives for all calls of the pool: neither may take long. Raises ValueError
        when the pool is closed or terminated, UsageError for a function that cannot travel, and
        TypeError and ValueError for arguments that cannot.
        """
        self._require_running()
        result: AsyncResult[Any] = AsyncResult(callback, error_callback, self)
        self._open_calls().call(func, args, kwds or {}, result.settle)
        return result

    def map(
        self, func: Function, iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Call ``func(item)`` for each item; returns a list of the results in their order.

        When all calls are over it raises the exception of the first item whose call raised one.
        ``chunksize`` is how many calls in a row share one copy of a function that travels by value;
        by default there are four such chunks for each process. Raises ValueError for one below 1,
        and what ``apply`` does.
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
        """``map`` without waiting, once all of the iterable has been read.

        ``callback`` is called once, with the list, or ``error_callback`` with the exception.
        """
        return self._map("map", func, iterable, chunksize, callback, error_callback)

    def starmap(
        self, func: Function, iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """Call ``func(*item)`` for each item; otherwise ``map``."""
        return self.starmap_async(func, iterable, chunksize).get()

    def starmap_async(
        self,
        func: Function,
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult[Any]:
        """``starmap`` without waiting."""
        tuples = (tuple(args) for args in iterable)
        return self._map("starmap", func, tuples, chunksize, callback, error_callback)

    def imap(
        self, func: Function, iterable: Iterable[Any], chunksize: int = 1
    ) -> OrderedIterator[Any]:
        """Call ``func(item)`` for each item of what may be endless; iterates over the results in
        their order.

        The iterable is read, in a thread, only a limited distance ahead of whoever takes the
        results. The iterator raises the exception of a call in its place, and can be read on
        behind it; one that the iterable itself raises is the last.
        """
        window = Window()
        iterator: OrderedIterator[Any] = OrderedIterator(window.leave, self)
        self._imap(func, iterable, chunksize, iterator, window)
        return iterator

    def imap_unordered(
        self, func: Function, iterable: Iterable[Any], chunksize: int = 1
    ) -> UnorderedIterator[Any]:
        """``imap`` with results and exceptions in the order in which they come."""
        window = Window()
        iterator: UnorderedIterator[Any] = UnorderedIterator(window.leave, self)
        self._imap(func, iterable, chunksize, iterator, window)
        return iterator

    def close(self) -> None:
        """Take no more calls; those that were made go on. It may be called again."""
        with self._lock:
            if self._state == RUN:
                self._state = CLOSE
        if self._calls:
            self._calls.stream.close()

    def terminate(self) -> None:
        """Stop at once: calls that are not over are cancelled, and raise JobStateError.

        The end of a ``with`` block does that, too. It may be called again.
        """
        self._state = TERMINATE
        self._session.abandon()

    def join(self) -> None:
        """Wait for all calls to end, after ``close`` or ``terminate``.

        Raises ValueError when the pool still takes calls, and RuntimeError in a callback of one.
        """
        self._session.ownership.require()
        if self._state == RUN:
            raise ValueError("Pool is still running")
        for window in list(self._windows):
            window.lift()  # as in the library, they end whether or not anybody takes the results
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
        """Make what a stream tells of values and of failures: they are opened, and taken in.

        It does not keep the pool alive.
        """
        serializer, label = self._session.options.serializer, label_function(func)

        def take_values(start: int, values: Sequence[bytes]) -> None:
            take(start, open_outcomes(serializer, values, start, label))

        def take_failures(failures: Sequence[TaskFailure]) -> None:
            for failure in failures:
                take(failure.index, [(False, open_failure(failure, serializer))])

        return take_values, take_failures
