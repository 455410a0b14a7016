"""``multiprocessing.Pool`` across machines: the same calls, the same exceptions, another import.

apply, apply_async ─► one stream of calls for the pool
map, starmap, imap ─► a stream each ─► AsyncResult, MapResult, iterators
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from headrace.call_session import CallSession
from headrace.calls import Calls, open_outcome
from headrace.cluster import Cluster
from headrace.outcomes import (
    AsyncResult,
    Callback,
    MapResult,
    OrderedIterator,
    Outcome,
    UnorderedIterator,
)
from headrace.sessions import end_with_program
from headrace.stream import Stream
from headrace.submission import SubmitOptions
from headrace.window import Window
from headrace_services.calls import rebuild_failure
from headrace_services.calls.plan import Function, make_parameters
from headrace_services.calls.transport import Serializer
from headrace_wire.messages import TaskFailure

#: Seconds for which results of ``map`` may be gathered where they are kept: it needs them all.
MAP_GATHER_SECONDS = 0.25

#: What a pool is doing: taking calls, finishing them, or nothing any more.
RUN, CLOSE, TERMINATE = "running", "closed", "terminated"


class Pool:
    """A pool of worker processes, here or on a cluster.

    ``Pool()`` and ``Pool(4)`` start a coordinator and a worker on this machine;
    ``Pool("host:7333")`` uses a cluster that is there, with the key in ``key_file``, or else in
    ``HEADRACE_KEY_FILE`` or the user's own folder. The other arguments are those of
    ``multiprocessing.Pool``; on a cluster ``maxtasksperchild`` is the workers' own to decide.

    ``serializer`` is how functions and values travel: ``"msgpack"``, by name and as plain data, is
    what a cluster takes; ``"cloudpickle"``, anything at all, is the rule here, and on a cluster
    needs workers started with ``--allow-pickle``. ``task_timeout`` is the time limit of each call
    in seconds; ``retries`` how often one that failed is tried again.

    Raises UnreachableError and KeyRefusedError.
    """

    def __init__(
        self,
        processes: int | str | None = None,
        initializer: Function | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: Any = None,
        *,
        key_file: str | Path | None = None,
        serializer: Serializer | None = None,
        task_timeout: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        name: str = "",
    ) -> None:
        del context  # how processes start is the worker's to decide
        if isinstance(processes, int) and processes < 1:
            raise ValueError("Number of processes must be at least 1")
        self._session = CallSession(
            processes,
            key_file,
            serializer=serializer,
            initializer=initializer,
            initargs=initargs,
            max_tasks=maxtasksperchild,
            submit_options=SubmitOptions(
                name=name, priority=priority, timeout_seconds=task_timeout, retries=retries
            ),
        )
        self._state = RUN
        self._lock = threading.Lock()
        self._streams: set[Stream] = set()
        self._calls: Calls | None = None
        end_with_program(self, self._session.close)

    def end_with_program(self) -> None:
        """Stop at once: whoever wanted the results is gone."""
        self.terminate()

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
        """Call a function and wait for its result."""
        self._require_running()
        result: AsyncResult[Any] = AsyncResult()
        self._open_calls().call(func, args, kwds or {}, result.settle, is_over=result.ready)
        return result.get()

    def apply_async(
        self,
        func: Function,
        args: Sequence[Any] = (),
        kwds: dict[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> AsyncResult[Any]:
        """Call a function. Raises ValueError when the pool is closed, TypeError for arguments."""
        self._require_running()
        result: AsyncResult[Any] = AsyncResult(callback, error_callback)
        self._open_calls().call(func, args, kwds or {}, result.settle)
        return result

    def map(
        self, func: Function, iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Call a function with each argument; the results in their order."""
        return self.map_async(func, iterable, chunksize).get()

    def map_async(
        self,
        func: Function,
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult[Any]:
        """``map`` without waiting."""
        return self._map("map", func, iterable, chunksize, callback, error_callback)

    def starmap(
        self, func: Function, iterable: Iterable[Iterable[Any]], chunksize: int | None = None
    ) -> list[Any]:
        """``map`` with a tuple of arguments for each call."""
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
        """Call a function with each argument of what may be endless; the results in their order.

        The iterable is read no further ahead than what its results' consumer can take.
        """
        window = Window()
        iterator: OrderedIterator[Any] = OrderedIterator(window.leave)
        self._imap(func, iterable, chunksize, iterator, window)
        return iterator

    def imap_unordered(
        self, func: Function, iterable: Iterable[Any], chunksize: int = 1
    ) -> UnorderedIterator[Any]:
        """``imap`` with the results as they come."""
        window = Window()
        iterator: UnorderedIterator[Any] = UnorderedIterator(window.leave)
        self._imap(func, iterable, chunksize, iterator, window)
        return iterator

    def close(self) -> None:
        """Take no more calls; those that were made go on."""
        with self._lock:
            if self._state == RUN:
                self._state = CLOSE
            calls = self._calls
        if calls:
            calls.stream.close()

    def terminate(self) -> None:
        """Stop at once: calls that are not over are cancelled."""
        with self._lock:
            if self._state == TERMINATE:
                return
            self._state = TERMINATE
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()
        self._session.close()

    def join(self) -> None:
        """Wait for all calls to end. Raises ValueError when the pool still takes calls."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.join()
        self._session.close()

    def _require_running(self) -> None:
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
        _check_chunksize(chunksize)
        items = [
            self._session.options.seal_value(argument, f"item {index}")
            for index, argument in enumerate(iterable)
        ]
        chunk = chunksize or -(-len(items) // (4 * self._session.processes)) or 1
        parameters = make_parameters(func, self._session.options, chunk)
        result: MapResult[Any] = MapResult(callback, error_callback)
        result.begin(len(items))

        def take_values(start: int, values: Sequence[bytes]) -> None:
            outcomes = self._open_all(values)
            if all(success for success, _ in outcomes):
                result.take_values(start, [value for _, value in outcomes])
                return
            for index, (success, value) in enumerate(outcomes, start):
                if success:
                    result.take_values(index, [value])
                else:
                    result.take_error(index, value)

        def take_failures(failures: Sequence[TaskFailure]) -> None:
            for failure in failures:
                result.take_error(failure.index, rebuild_failure(failure))

        if items:
            stream = self._open_stream(
                operation,
                parameters,
                on_values=take_values,
                on_failures=take_failures,
                on_broken=result.fail,
                gather_seconds=MAP_GATHER_SECONDS,
            )
            stream.put_all(items)
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
        _check_chunksize(chunksize)
        arguments = iter(iterable)
        parameters = make_parameters(func, self._session.options, chunksize)

        def take_values(start: int, values: Sequence[bytes]) -> None:
            window.learn(len(values), sum(map(len, values)))
            iterator.take(start, self._open_all(values))

        def take_failures(failures: Sequence[TaskFailure]) -> None:
            for failure in failures:
                iterator.take(failure.index, [(False, rebuild_failure(failure))])

        def break_off(error: BaseException) -> None:
            window.close()
            iterator.fail(error)

        stream = self._open_stream(
            "map",
            parameters,
            on_values=take_values,
            on_failures=take_failures,
            on_broken=break_off,
        )
        feeder = threading.Thread(
            target=self._feed,
            args=(arguments, stream, iterator, window),
            name="headrace-feeder",
            daemon=True,
        )
        feeder.start()

    def _feed(
        self,
        arguments: Iterator[Any],
        stream: Stream,
        iterator: UnorderedIterator[Any],
        window: Window,
    ) -> None:
        """Pack what the generator gives, as long as the window lets it."""
        count = 0
        try:
            for argument in arguments:
                if not window.enter():
                    return
                item = self._session.options.seal_value(argument, f"item {count}")
                window.learn(1, len(item))
                stream.put(item)
                count += 1
        except BaseException as error:  # noqa: BLE001 - the generator is the user's: it is told there
            iterator.take(count, [(False, error)])
            count += 1
        iterator.expect(count)
        stream.close()

    def _open_calls(self) -> Calls:
        with self._lock:
            if self._calls is None:
                self._calls = Calls(self._session.options, self._open_stream_locked)
            return self._calls

    def _open_stream(self, operation: str, parameters: dict[str, object], **told: Any) -> Stream:
        with self._lock:
            return self._open_stream_locked(operation, parameters, **told)

    def _open_stream_locked(
        self, operation: str, parameters: dict[str, object], **told: Any
    ) -> Stream:
        self._streams = {stream for stream in self._streams if not stream.ended}
        stream = self._session.open_stream(operation, parameters, **told)
        self._streams.add(stream)
        return stream

    def _open_all(self, values: Sequence[bytes]) -> list[Outcome]:
        serializer = self._session.options.serializer
        return [open_outcome(serializer, value) for value in values]


def _check_chunksize(chunksize: int | None) -> None:
    if chunksize is not None and chunksize < 1:
        raise ValueError(f"Chunksize must be 1+, not {chunksize}")
