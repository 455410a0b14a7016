"""A cluster, as a program sees it: jobs go in, results come out.

Cluster.submit ─► Job.values ─► (index, value) pairs, as they come or in index order
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from headrace.blocking import BlockingCaller, blocking, finish_each
from headrace.cluster_base import AwaitedCluster, ClusterBase
from headrace.cluster_html import draw_overview, draw_workers
from headrace.cluster_views import read_pages
from headrace.coordinator_engine import PATIENCE_SECONDS, CoordinatorEngine
from headrace.engine import Engine
from headrace.job import Job
from headrace.place import find_coordinator, find_encryption
from headrace.sharing import SharedFactory
from headrace_wire.address import Address
from headrace_wire.api import JobQueueApi
from headrace_wire.bounds import check_fields
from headrace_wire.encryption import Encryption
from headrace_wire.errors import HeadraceError, UnreachableError
from headrace_wire.html import draw_card
from headrace_wire.messages import JobStatus
from headrace_wire.timeouts import Limit
from headrace_wire.views import ClusterEvent, EventRequest

#: Seconds that a notebook waits for what it shows of a cluster.
SHOWN_SECONDS = 1.5

P = ParamSpec("P")
T = TypeVar("T")


class Cluster(ClusterBase[Job], SharedFactory):
    """A coordinator and its workers, at ``host:port``. Closed at the end of a ``with`` block.

    The key is ``key``, or lies in ``key_file``, or else in ``HEADRACE_KEY_FILE`` or the user's own
    folder. ``tls`` is how the connection is encrypted: ``"auto"``, as the coordinator does it;
    ``"on"``, always, or there is none; ``"off"``, never. It is what ``HEADRACE_TLS`` says when not
    given. The files that ``HEADRACE_TLS_CERT``, ``HEADRACE_TLS_KEY`` and ``HEADRACE_TLS_CA`` name
    are used.

    Raises UsageError, KeyRefusedError, ProtocolError, and UnreachableError when nothing answers at
    the address. Later, a coordinator that goes away is waited for, for ``patience_seconds``:
    ``on_lost`` is told.
    """

    #: Says why an embedded cluster is no longer there; set by who started it.
    explain_end: Callable[[], str] | None = None

    def __init__(
        self,
        address: str | Address,
        key: bytes | None = None,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
    ) -> None:
        encryption = find_encryption(tls)
        address, key = find_coordinator(address, key, key_file)
        self._address: Address | str = address
        self._engine: Engine = CoordinatorEngine(
            address, key, on_lost, patience_seconds, encryption=encryption
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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
        """Close all connections; jobs go on, and shared state stays."""
        self._close_shared()
        self._engine.close()

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
        return Job(self._engine, status)

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)
