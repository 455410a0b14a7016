"""Data that is sent to another cluster once for each job, instead of with each span."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from headrace_worker.engines.grid import Grid
from headrace_worker.link.runners import KeptJobs
from headrace_worker.pool.batch import Batch

#: Parameters of a job that have more bytes than this are sent to the cluster once.
SHARED_BYTES = 64 << 10

#: The number of jobs whose sent data is remembered.
KEPT_SHARED = 8


class SentData:
    """The data of the last few jobs that was given to a grid."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._jobs: KeptJobs[asyncio.Future[list[Any]]] = KeptJobs(KEPT_SHARED)

    async def share(self, batch: Batch) -> list[Any]:
        """Send the large parameters of a batch's job to the cluster, once.

        Returns what represents them there: first the parameters, if they ``are_large``, and then
        those that are in files. Raises OSError, and the errors of the grid.
        """
        if not are_large(batch) and not batch.data:
            return []
        known = self._jobs.touch(batch.job)
        if known is None or (known.done() and (known.cancelled() or known.exception())):
            known = asyncio.ensure_future(self._bring(batch))
            self._jobs.keep(batch.job, known)
        return await asyncio.shield(known)

    async def _bring(self, batch: Batch) -> list[Any]:
        contents = [batch.parameters] if are_large(batch) else []
        contents += [await asyncio.to_thread(_read, path) for _, path, _ in batch.data]
        return [await self._grid.share(content) for content in contents]


def are_large(batch: Batch) -> bool:
    """Return whether the parameters of a batch's job are too large to be sent with each span."""
    return len(batch.parameters) > SHARED_BYTES


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
