"""A cluster, as a program sees it: jobs go in, results come out.

Cluster.submit ─► Job.values ─► (index, value) pairs, as they come or in index order
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
from headrace.coordinator_engine import PATIENCE_SECONDS, CoordinatorEngine
from headrace.engine import Engine
from headrace.engine_choice import choose_engine
from headrace.job import Job
from headrace.place import find_coordinator, find_encryption, refuse_without_address
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

#: Seconds that a notebook waits for what it shows of a cluster.
SHOWN_SECONDS = 1.5

P = ParamSpec("P")
T = TypeVar("T")


class Cluster(ClusterBase[Job], SharedFactory):
    """A coordinator and its workers, at ``host:port``. Closed at the end of a ``with`` block.

    Without an address a coordinator and a worker are started for this program on this machine, and
    end with the cluster, and their jobs too. ``engine`` says what runs the tasks then: ``"pool"``,
    slots, one for each core, which is the default; ``"dask"`` or ``"ray"``, a cluster of this
    machine that is started, too; or ``"dask://host:8786"``, ``"ray://host:6379"``, one that is
    there.

    The key is ``key``, or lies in ``key_file``, or else in ``HEADRACE_KEY_FILE`` or the user's own
    folder. ``tls`` is how the connection is encrypted: ``"auto"``, as the coordinator does it;
    ``"on"``, always, or there is none; ``"off"``, never. It is what ``HEADRACE_TLS`` says when not
    given. The files that ``HEADRACE_TLS_CERT``, ``HEADRACE_TLS_KEY`` and ``HEADRACE_TLS_CA`` name
    are used.

    Raises UsageError, KeyRefusedError, ProtocolError, and UnreachableError when nothing answers at
    the address, or the engine's. Later, a coordinator that goes away is waited for, for
    ``patience_seconds``: ``on_lost`` is told.
    """

    #: What was started in place of a coordinator elsewhere.
    _embedded: Embedded | None = None

    def __init__(
        self,
        address: str | Address | None = None,
        key: bytes | None = None,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
        engine: str | None = None,
    ) -> None:
        if address is None or engine is not None:
            chosen = choose_engine(engine, address)
            refuse_without_address(key=key, key_file=key_file, tls=tls)
            self._start(chosen)
            return
        self._stack = contextlib.ExitStack()
        encryption = find_encryption(tls)
        address, key = find_coordinator(address, key, key_file)
        self._address: Address | str = address
        self._engine: Engine = CoordinatorEngine(
            address, key, on_lost, patience_seconds, encryption=encryption
        )

    @classmethod
    def over(cls, embedded: Embedded) -> Self:
        """The cluster that somebody has started, and will stop."""
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
        """Stop what was started for this program."""
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
        # It may have to say why what was started for this program is no longer there.
        self._stack.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._address}>"

    def _repr_html_(self) -> str:
        """What a notebook shows of it: its workers, and what it has to do, at this moment."""
        title = f"cluster at {self._address}"
        try:
            with Limit.after(SHOWN_SECONDS).applied():
                seen, workers = self.overview(), self.workers()
        except HeadraceError as error:
            return draw_card(title, [("state", error.message)])
        return draw_overview(title, seen) + draw_workers(workers)

    def close(self) -> None:
        """Close all connections; jobs go on, and shared state stays, unless they are on a cluster
        that was started for this program, which ends.
        """
        self._say_goodbye()
        self._stack.close()

    def _say_goodbye(self) -> None:
        if self._embedded:
            self._embedded.kill_frozen()
        self._close_shared()
        self._engine.close()

    def explain_end(self) -> str:
        """Say why a cluster that was started for a program is no longer there; "" of others."""
        return self._embedded.explain_end() if self._embedded else ""

    @property
    def address(self) -> Address | str:
        """Where its coordinator is."""
        return self._address

    @property
    def engine(self) -> Engine:
        """The two queues, for what has no method here."""
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
        """What happened to jobs and workers, the oldest that the coordinator remembers first.

        It begins with the newest ``last`` if that is not 0. With ``job``, only what happened to the
        job of this id. With ``follow`` it goes on with what comes, for ever.
        """
        request = EventRequest(job=job, last=last)
        check_fields(request)
        for page in finish_each(read_pages(self._find_jobs(), request, follow=follow)):
            yield from page.events

    def _find_jobs(self) -> BlockingCaller[JobQueueApi]:
        return BlockingCaller(self._engine.jobs)

    def _open_job(self, status: JobStatus) -> Job:
        job = Job(self._engine, status)
        # What was started for this program runs nobody else's tasks.
        job.opens_pickles = self._call_options is not None
        return job

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)
