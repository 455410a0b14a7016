"""A ``concurrent.futures.Executor`` across machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor as BaseExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from headrace.arguments import (
    make_submit_options,
    read_count,
    read_max_tasks_per_child,
    read_place,
)
from headrace.backlog import Backlog, CallFuture
from headrace.call_session import CallSession
from headrace.outcomes import read_timeout
from headrace.ownership import Ownership
from headrace.program_end import end_with_program
from headrace_services.calls.plan import Function, label_function
from headrace_services.calls.transport import Serializer
from headrace_wire.encryption import Encryption
from headrace_wire.locks import make_lock

P = ParamSpec("P")
T = TypeVar("T")


class Executor(BaseExecutor):
    """An executor whose calls run here or on a cluster.

    ``Executor()`` and ``Executor(4)`` start a coordinator and a worker on this machine;
    ``Executor("host:7333")``, or ``Executor(("host", 7333))``, connects to an existing cluster. See
    ``headrace.Pool`` for the other arguments and the errors raised.
    """

    def __init__(
        self,
        max_workers: int | str | tuple[str, int] | None = None,
        initializer: Function | None = None,
        initargs: Iterable[Any] = (),
        *,
        mp_context: Any = None,
        max_tasks_per_child: int | None = None,
        thread_name_prefix: str = "",
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
        serializer: Serializer | None = None,
        task_timeout: float | None = None,
        retries: int | None = None,
        priority: int = 0,
        name: str = "",
        engine: str | None = None,
    ) -> None:
        del mp_context, thread_name_prefix  # the worker decides how calls run
        self._session = CallSession(
            read_place(max_workers, "max_workers", "max_workers must be greater than 0"),
            key_file,
            tls=tls,
            serializer=serializer,
            initializer=initializer,
            initargs=initargs,
            max_tasks=read_max_tasks_per_child(max_tasks_per_child),
            engine=engine,
            submit_options=make_submit_options(
                name=name, priority=priority, timeout_seconds=task_timeout, retries=retries
            ),
        )
        #: Not documented in the standard library, but programs read it.
        self._max_workers = self._session.processes
        self._ownership = Ownership("executor")
        self._lock = make_lock()
        self._shut_down = False
        self._backlog = Backlog(
            self._session.options,
            self._session.open_stream,
            self._session.make_pace(),
            self._session.prepare_to_wait,
            self._session.count_slots if isinstance(max_workers, str | tuple) else None,
        )
        end_with_program(self, partial(_let_go, self._backlog, self._session))

    def end_with_program(self) -> None:
        """Wait for the calls that have not ended, as the standard library's executors do."""
        self.shutdown()

    @overload
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CallFuture[T]: ...

    @overload
    def submit(self, fn: str, /, *args: Any, **kwargs: Any) -> CallFuture[Any]: ...

    def submit(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> CallFuture[Any]:
        """Submit a call of a function, given itself or by its name ``module:function``.

        Raises RuntimeError after ``shutdown``, ExecutorBrokenError, NotAllowedError if the role of
        the key may not submit jobs, UsageError for a function that cannot be sent, and TypeError or
        ValueError for arguments that cannot be sent.
        """
        self._ownership.require()
        if self._shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        item = self._backlog.calls.seal(fn, args, kwargs)
        future: CallFuture[Any] = CallFuture(self._backlog, item, label_function(fn))
        with self._lock:
            if self._shut_down:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._backlog.submit(future)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """See ``concurrent.futures.Executor.map``; calls are grouped automatically.

        ``chunksize`` is checked and has no effect. The iterator raises TimeoutError ``timeout``
        seconds after this call; the exception of a call in place of its result, after which it
        ends; and the errors of ``submit``.
        """
        read_count(chunksize, "chunksize", "chunksize must be >= 1.")
        return super().map(fn, *iterables, timeout=read_timeout(timeout))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls; see ``concurrent.futures.Executor.shutdown``.

        Without ``wait``, a thread waits for the calls that have not ended, and then frees the
        resources.
        """
        if not self._ownership.is_here:
            return  # they are the parent's
        with self._lock:
            again, self._shut_down = self._shut_down, True
        if cancel_futures:
            self._backlog.take_all_back()
        self._backlog.close()
        if wait:
            self._finish(withdraw=cancel_futures)
        elif not again or cancel_futures:
            threading.Thread(
                target=self._finish, kwargs={"withdraw": cancel_futures}, name="headrace-shutdown"
            ).start()

    def _finish(self, *, withdraw: bool) -> None:
        stream = self._backlog.calls.stream
        if withdraw:
            self._backlog.withdraw_hopeless()
        stream.join()
        self._session.close()


def _let_go(backlog: Backlog, session: CallSession) -> None:
    """Free the resources of an executor that was garbage-collected, after its calls have ended.

    An object may be collected anywhere and while any lock is held, so whatever may wait for a lock
    is done in a thread.
    """
    if backlog.is_idle:
        session.close()
        return

    def finish() -> None:
        backlog.close()
        backlog.calls.stream.join()
        session.close()

    threading.Thread(target=finish, name="headrace-shutdown").start()
