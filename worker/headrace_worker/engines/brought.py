"""What is brought to another cluster once for each job, in place of with each of its spans."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from headrace_worker.engines.grid import Grid
from headrace_worker.link.runners import KeptJobs
from headrace_worker.pool.batch import Batch

#: Parameters of a job with more bytes than this are brought to the other side once.
SHARED_BYTES = 64 << 10

#: Jobs of which it is remembered what was brought there.
KEPT_SHARED = 8


class Brought:
    """What a grid has been given of the last few jobs."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._jobs: KeptJobs[asyncio.Future[list[Any]]] = KeptJobs(KEPT_SHARED)

    async def share(self, batch: Batch) -> list[Any]:
        """Bring what is large in the parameters of a batch's job to the other side, once.

        Returns what stands for it there: first for the parameters, if they ``are_large``, and then
        for those that are in files. Raises OSError, and what the grid does.
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
    """Tell whether the parameters of a batch's job are too large to travel with each span."""
    return len(batch.parameters) > SHARED_BYTES


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
