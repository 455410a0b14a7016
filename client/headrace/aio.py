"""A cluster for programs with an event loop: methods that wait are coroutines.

No thread is blocked by a wait, and a wait ends when its task is cancelled. Threads are used only
for work: reading files, encoding arguments, and writing results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from headrace.async_job import AsyncJob
from headrace.async_sharing import AsyncSharedFactory
from headrace.cluster_base import AwaitedCluster
from headrace.connecting import check_connecting, find_encryption, read_address
from headrace.coordinator_engine import PATIENCE_SECONDS
from headrace.data_folder import read_key
from headrace.outage import OutageNotice, find_end
from headrace_wire.api import JobQueueApi
from headrace_wire.encryption import Encryption
from headrace_wire.errors import UnreachableError, UsageError
from headrace_wire.manager import QueueManager

if TYPE_CHECKING:
    from headrace_wire.async_caller import AsyncCaller
    from headrace_wire.messages.jobs import JobStatus

P = ParamSpec("P")
T = TypeVar("T")


class AsyncCluster(AwaitedCluster[AsyncJob], AsyncSharedFactory):
    """A cluster with methods to await: ``async with AsyncCluster("host:7333") as cluster``. See
    Cluster.

    It must be used in one event loop. Without ``async with``, call ``await cluster.open()`` and
    ``await cluster.close()``.
    """

    def __init__(
        self,
        address: str | tuple[str, int],
        key: bytes | None = None,
        on_lost: Callable[[UnreachableError], None] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        *,
        key_file: str | Path | None = None,
        tls: str | Encryption | None = None,
    ) -> None:
        check_connecting(key, key_file, on_lost, patience_seconds)
        place = read_address(address)
        if place is None:
            raise TypeError("address must be text, such as 'host:7333', not None")
        self._encryption = find_encryption(tls)
        self._address = place
        self._key = key
        self._key_file = key_file
        self._on_lost = on_lost or OutageNotice(patience_seconds)
        self._patience_seconds = patience_seconds
        self._manager: QueueManager | None = None

    async def open(self) -> Self:
        """Connect. Raises UsageError, KeyRefusedError, and UnreachableError if nothing answers
        at the address.
        """
        key = await asyncio.to_thread(read_key, self._key, self._key_file)
        address, encryption = self._address, self._encryption
        first = QueueManager(address, key, encryption=encryption).async_jobs()
        try:
            await first.call(JobQueueApi.info)
        finally:
            first.close()
        self._manager = QueueManager(
            address,
            key,
            patience_seconds=self._patience_seconds,
            on_lost=self._on_lost,
            on_connected=find_end(self._on_lost),
            encryption=encryption,
        )
        self._jobs = self._manager.async_jobs()
        self._results = self._manager.async_results()
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._address}>"

    async def close(self) -> None:
        """Close all connections. Jobs go on, and shared objects are kept.

        Pending and later calls raise ClosedError.
        """
        if self._manager:
            await self._close_shared()
            self._jobs.close(for_good=True)
            self._results.close(for_good=True)

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def _find_manager(self) -> QueueManager:
        if self._manager is None:
            raise UsageError(
                "the cluster is not open: write `async with AsyncCluster(...) as cluster`, or "
                "`await cluster.open()`"
            )
        return self._manager

    def _find_jobs(self) -> AsyncCaller[JobQueueApi]:
        self._find_manager()
        return self._jobs

    def _open_job(self, status: JobStatus) -> AsyncJob:
        return AsyncJob(self._jobs, self._results, status)

    async def _work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)
