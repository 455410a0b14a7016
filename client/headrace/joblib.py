"""joblib, and therefore scikit-learn, on a cluster: import this module and choose the backend.

    import headrace.joblib
    with joblib.parallel_config(backend="headrace", coordinator="host:7333"):
        search.fit(x, y)

    Parallel ─► submit (a batch of calls) ─► held, beyond n_jobs ─► a stream of calls
    Parallel ◄─ callback(outcome) ◄─ the stream's receiver thread

Batches and results are pickled with cloudpickle. So the workers must be started with
``--allow-pickle``, and must have joblib and everything that the program uses. What they return is
unpickled in this program, so workers could run any code in it. Without ``coordinator``, everything
runs on this machine, or where ``engine`` says, as for ``headrace.Pool``. A cluster stays open for
the next ``Parallel`` until the program ends; a stream exists from ``start_call`` to ``stop_call``.
"""

from __future__ import annotations

import atexit
import contextlib
import queue
import secrets
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from headrace.arrival import await_workers
from headrace.calls import Calls
from headrace.cluster import Cluster
from headrace.connecting import read_address
from headrace.engine_choice import choose_engine
from headrace.outcomes import Outcome
from headrace.sessions import open_session
from headrace.streams.stream import Stream
from headrace_services.calls import CallOptions
from headrace_wire.address import Address
from headrace_wire.encryption import Encryption
from headrace_wire.errors import UnreachableError
from headrace_wire.locks import make_lock
from headrace_wire.timeouts import Limit

try:
    from joblib import parallel as _parallel
except ImportError as problem:
    raise ImportError("headrace.joblib needs joblib: pip install joblib") from problem

#: The name under which joblib knows the backend.
NAME = "headrace"

#: How many seconds the first worker of a cluster may take to connect.
WORKER_SECONDS = 10.0

# joblib has no type annotations.
_joblib: Any = cast("Any", _parallel)

#: Is called with a batch's outcome.
Settle = Callable[[Outcome], object]


class Clusters:
    """The clusters that this program uses, by their addresses. It is thread-safe."""

    def __init__(self) -> None:
        self._lock = make_lock()
        self._stack = contextlib.ExitStack()
        self._open: dict[
            tuple[Address | None, str, str | Encryption | None, str | None], Cluster
        ] = {}

    def get(
        self,
        coordinator: Address | None,
        key_file: str | Path | None,
        tls: str | Encryption | None,
        engine: str | None = None,
    ) -> Cluster:
        """Return the cluster at an address, or an embedded one for None, and open it if necessary.

        Raises UsageError for an ``engine`` in addition to an address, and for an invalid one.
        """
        place = (coordinator, str(key_file or ""), tls, engine)
        with self._lock:
            if place not in self._open:
                chosen = choose_engine(engine, coordinator)
                session = open_session(coordinator, key_file, tls=tls, engine=chosen)
                self._open[place] = self._stack.enter_context(session)
            return self._open[place]

    def close(self) -> None:
        """Close all clusters. If one is needed later, it is opened again."""
        with self._lock:
            self._open.clear()
            self._stack.close()


#: They are closed at the end of the program.
CLUSTERS = Clusters()
atexit.register(CLUSTERS.close)


class HeadraceBackend(_joblib.AutoBatchingMixin, _joblib.ParallelBackendBase):  # type: ignore[misc]
    """Runs joblib's batches as calls; see ``joblib.parallel.ParallelBackendBase``.

    ``n_jobs`` is how many batches run at once; -1 means one for each slot of the cluster. Several
    ``Parallel`` may use one backend at the same time. They share its stream.
    """

    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(
        self,
        coordinator: str | tuple[str, int] | None = None,
        key_file: str | Path | None = None,
        nesting_level: int | None = None,
        tls: str | Encryption | None = None,
        engine: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(nesting_level=nesting_level or 0, **options)  # pyright: ignore[reportUnknownMemberType] - untyped
        self._coordinator = read_address(coordinator, "coordinator")
        self._key_file = key_file
        self._tls = tls
        self._engine = engine
        self._lock = make_lock()
        self._users = 0
        self._calls: Calls | None = None
        self._held: deque[tuple[Calls, Callable[[], Any], Settle]] = deque()
        self._running = 0
        self._limit = 1

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many batches run at once. Raises UnreachableError if there are no workers."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None:
            return 1
        if n_jobs > 0:
            return n_jobs
        return max(self._count_slots() + 1 + n_jobs, 1)

    def configure(
        self,
        n_jobs: int | None = 1,
        parallel: Any = None,
        coordinator: str | tuple[str, int] | None = None,
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
        engine: str | None = None,
        **options: Any,
    ) -> int:
        """Prepare for a ``Parallel``. One with ``n_jobs=1`` runs in this process.

        ``Parallel(backend="headrace", coordinator=...)`` passes the address of its cluster here.
        """
        del options
        if coordinator is not None:
            self._coordinator = read_address(coordinator, "coordinator")
        if key_file is not None:
            self._key_file = key_file
        if tls is not None:
            self._tls = tls
        if engine is not None:
            self._engine = engine
        if n_jobs == 1:
            raise _joblib.FallbackToBackend(
                _joblib.SequentialBackend(nesting_level=self.nesting_level)
            )
        self.parallel = parallel
        self._limit = self.effective_n_jobs(n_jobs)
        if self._limit >= self._count_slots():
            # The slots are the limit, and batches that wait in the queue keep them busy.
            self._limit = 1 << 30
        # If this were 1, joblib would not ask the backend at all.
        return max(self.effective_n_jobs(n_jobs), 2)

    def start_call(self) -> None:
        """Open the stream, or count one more call of a ``Parallel`` that uses it."""
        cluster = CLUSTERS.get(self._coordinator, self._key_file, self._tls, self._engine)
        with self._lock:
            self._users += 1
            if self._calls is None:
                options = CallOptions(serializer="cloudpickle", pool=secrets.token_hex(8))
                self._calls = Calls(options, partial(Stream, cluster.engine, "calls"))

    def stop_call(self) -> None:
        """Close the stream when nobody uses it any more, and give up what is pending in it."""
        with self._lock:
            self._users -= 1
            alone = not self._users
        if alone:
            self._drop_calls()
            self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Stop what runs, unless another ``Parallel`` uses the stream and has batches in it."""
        with self._lock:
            alone = self._users == 1
        if alone:
            self._drop_calls()
            if ensure_ready:
                _clear_ready_batches(self.parallel)
                with self._lock:
                    self._users = 0
                self.start_call()

    def submit(self, func: Callable[[], Any], callback: Settle | None = None) -> object:
        """Make a batch's call as soon as fewer than ``n_jobs`` are pending."""
        with self._lock:
            calls = self._calls
            if calls is None:
                raise RuntimeError("joblib submits a batch outside of a call")
            if self._running >= self._limit:
                self._held.append((calls, func, callback or _ignore))
                return func
            self._running += 1
        self._send(calls, func, callback or _ignore)
        return func

    def retrieve_result_callback(self, out: Outcome) -> Any:
        """Return the results of a batch, or raise its exception."""
        success, value = out
        if not success:
            raise value
        return value

    def _send(self, calls: Calls, func: Callable[[], Any], callback: Settle) -> None:
        def settle(outcome: Outcome) -> None:
            self._send_next(calls)
            callback(outcome)

        try:
            calls.call(func, (), {}, settle)
        except Exception as error:  # noqa: BLE001 - raised when the batch's result is fetched
            settle((False, error))

    def _send_next(self, calls: Calls) -> None:
        """Note that a batch is over, and send one that was held."""
        with self._lock:
            if calls is not self._calls:
                return
            if not self._held:
                self._running -= 1
                return
            held = self._held.popleft()
        self._send(*held)

    def _drop_calls(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, None
            self._held.clear()
            self._running = 0
        if calls:
            calls.stream.cancel()

    def _count_slots(self) -> int:
        jobs = CLUSTERS.get(self._coordinator, self._key_file, self._tls, self._engine).engine.jobs
        slots = await_workers(jobs, lambda: jobs.info().slots, Limit.after(WORKER_SECONDS))
        if not slots:
            raise UnreachableError(
                "no worker is connected to the coordinator: start one with headrace worker"
            )
        return slots


def _clear_ready_batches(parallel: Any) -> None:
    """Drop the remaining batches of a call that failed.

    joblib itself leaves them in a ``Parallel`` that is used as a context. Its next call would run
    them and return their results as its own.
    """
    ready = getattr(parallel, "_ready_batches", None)
    with contextlib.suppress(queue.Empty):
        while ready is not None:
            ready.get(block=False)


def _ignore(outcome: Outcome) -> None:
    """Ignore an outcome for which there is no callback."""


_joblib.register_parallel_backend(NAME, HeadraceBackend)
