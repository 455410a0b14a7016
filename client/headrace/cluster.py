"""The cluster as seen by a program that submits jobs and reads their results.

Cluster.submit ─► Job.values ─► (index, value) pairs, as they arrive or in index order
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from headrace.blocking import BlockingCaller, blocking, finish_each
from headrace.cluster_base import AwaitedCluster, ClusterBase
from headrace.cluster_html import draw_overview, draw_workers
from headrace.cluster_views import read_pages
from headrace.connecting import (
    check_connecting,
    find_encryption,
    read_address,
    refuse_without_address,
)
from headrace.coordinator_engine import PATIENCE_SECONDS, CoordinatorEngine
from headrace.data_folder import read_key
from headrace.engine import Engine
from headrace.engine_choice import choose_engine
from headrace.job import Job
from headrace.outage import OutageNotice
from headrace.program_end import end_with_program
from headrace.sharing import SharedFactory
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi
from headrace_wire.bounds import check_fields
from headrace_wire.encryption import Encryption
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.html import draw_card
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.views import ClusterEvent, EventRequest
from headrace_wire.timeouts import Limit

if TYPE_CHECKING:
    from headrace.embedded import Embedded
    from headrace_wire.engines import EngineChoice

#: Seconds that a notebook waits for the data that it shows of a cluster.
SHOWN_SECONDS = 1.5

P = ParamSpec("P")
T = TypeVar("T")


class Cluster(ClusterBase[Job], SharedFactory):
    """A coordinator and its workers, at ``"host:port"`` or ``(host, port)``. It is closed at the
    end of a ``with`` block.

    Without an address, a coordinator and a worker are started on this machine for this program;
    they and their jobs end when the cluster is closed. ``engine`` then says what runs the tasks:
    ``"pool"``, the default, is a pool of slots, one for each core; ``"dask"`` or ``"ray"`` starts a
    local Dask or Ray cluster; ``"dask://host:8786"`` or ``"ray://host:6379"`` connects to an
    existing one.

    The key is ``key``, or is read from ``key_file``, from the file that ``HEADRACE_KEY_FILE``
    names, from ``key`` in the data folder that ``HEADRACE_DATA`` names, or from ``key`` in the
    user's state folder, in this order. ``tls`` says how the connection is encrypted: with
    ``"auto"`` if the coordinator uses TLS; with ``"on"`` always, so that a connection without TLS
    is refused; with ``"off"`` never. The default is the value of ``HEADRACE_TLS``. The certificate,
    its private key, and the certificate authority are read from the files named by
    ``HEADRACE_TLS_CERT``, ``HEADRACE_TLS_KEY``, and ``HEADRACE_TLS_CA``.

    Raises UsageError, KeyRefusedError, ProtocolError, and UnreachableError if nothing answers at
    the address of the coordinator or the engine. If the coordinator goes away later, calls wait up
    to ``patience_seconds`` for it to come back. ``on_lost`` is called with the error of each
    attempt that is repeated; without it, a warning is logged, and another when it is back.
    """

    #: The coordinator and worker that were started for this program, if any.
    _embedded: Embedded | None = None

    def __init__(
        self,
        address: str | tuple[str, int] | None = None,
        key: bytes | None = None,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
        engine: str | None = None,
    ) -> None:
        check_connecting(key, key_file, on_lost, patience_seconds)
        place = read_address(address)
        if place is None or engine is not None:
            chosen = choose_engine(engine, place)
            refuse_without_address(key=key, key_file=key_file, tls=tls)
            self._start(chosen)
            return
        self._stack = contextlib.ExitStack()
        encryption = find_encryption(tls)
        self._address: Address | str = place
        on_lost = on_lost or OutageNotice(patience_seconds)
        self._engine: Engine = CoordinatorEngine(
            place,
            read_key(key, key_file),
            on_lost,
            patience_seconds,
            encryption=encryption,
        )

    @classmethod
    def over(cls, embedded: Embedded) -> Self:
        """Return a cluster over an embedded one that the caller has started and will stop."""
        cluster = cls.__new__(cls)
        cluster._use(embedded)  # noqa: SLF001 - its own class
        return cluster

    def _start(self, chosen: EngineChoice) -> None:
        """Start a coordinator and a worker for this program, and stop them at its end."""
        from headrace.embedded import open_for_program  # noqa: PLC0415 - few clusters are started
        from headrace_services.calls import CallOptions  # noqa: PLC0415 - as above
        from headrace_services.calls.main_module import describe_main  # noqa: PLC0415 - as above

        stack = contextlib.ExitStack()
        self._use(stack.enter_context(open_for_program(engine=chosen)))
        self._stack = stack
        main = None if chosen.address else describe_main()
        self._call_options = CallOptions("cloudpickle", main=main)
        end_with_program(self, stack.close)

    def _use(self, embedded: Embedded) -> None:
        self._address, self._engine = embedded.address, embedded.engine
        self._stack = contextlib.ExitStack()
        self._embedded = embedded

    def end_with_program(self) -> None:
        """Stop the coordinator and worker that were started for this program."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say_goodbye()
        # If the embedded cluster has ended, this explains why.
        self._stack.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._address}>"

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows: the workers and the jobs at this moment."""
        title = f"cluster at {self._address}"
        try:
            with Limit.after(SHOWN_SECONDS).applied():
                seen, workers = self.overview(), self.workers()
        except HeadraceError as error:
            return draw_card(title, [("state", error.message)])
        return draw_overview(title, seen) + draw_workers(workers)

    def close(self) -> None:
        """Close all connections. Jobs go on and shared objects are kept, unless the cluster was
        started for this program: then it ends.
        """
        self._say_goodbye()
        self._stack.close()

    def _say_goodbye(self) -> None:
        if self._embedded:
            self._embedded.kill_frozen()
        self._close_shared()
        self._engine.close()

    def explain_end(self) -> str:
        """Return why a cluster that was started for a program has ended, or "" for others."""
        return self._embedded.explain_end() if self._embedded else ""

    @property
    def address(self) -> Address | str:
        """The address of its coordinator."""
        return self._address

    @property
    def engine(self) -> Engine:
        """The job queue and the result queue, for calls that have no method here."""
        return self._engine

    submit = blocking(AwaitedCluster[Job].submit)
    map = blocking(AwaitedCluster[Job].map)
    job = blocking(AwaitedCluster[Job].job)
    jobs = blocking(AwaitedCluster[Job].jobs)
    workers = blocking(AwaitedCluster[Job].workers)
    worker = blocking(AwaitedCluster[Job].worker)
    drain = blocking(AwaitedCluster[Job].drain)
    overview = blocking(AwaitedCluster[Job].overview)
    timeline = blocking(AwaitedCluster[Job].timeline)

    def events(
        self, *, follow: bool = False, job: str = "", last: int = 0
    ) -> Iterator[ClusterEvent]:
        """Iterate over the events of jobs and workers, from the oldest that the coordinator keeps.

        If ``last`` is not 0, it begins with the newest ``last`` events. With ``job``, only events
        of the job with this id are returned. With ``follow`` the iterator does not end: it waits
        for new events.
        """
        request = EventRequest(job=job, last=last)
        check_fields(request)
        for page in finish_each(read_pages(self._find_jobs(), request, follow=follow)):
            yield from page.events

    def _find_jobs(self) -> BlockingCaller[JobQueueApi]:
        return BlockingCaller(self._engine.jobs)

    def _open_job(self, status: JobStatus) -> Job:
        job = Job(self._engine, status)
        # An embedded cluster runs only the tasks of this program.
        job.opens_pickles = self._call_options is not None
        return job

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)
