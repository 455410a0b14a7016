"""Runs many failed and cancelled tasks again, with other calls in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.revival import REVIVED_AT_ONCE
from headrace_coordinator.store.need import RELIEF
from headrace_wire.errors import StoreError


class Reviver:
    """Performs ``Revival``'s transitions, one commit each, in the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def retry(self, job: str) -> None:
        """Let all tasks of a final job wait that are not done."""
        await self._revive(job, lambda queue, start, now: queue.revival.retry(job, start, now))

    async def replay(self, job: str, indices: Sequence[int] | None) -> None:
        """Let dead tasks wait: those named, or if None, all."""
        if indices is None:
            await self._replay(job, None)
            return
        chosen = RangeSet()
        for place in range(0, len(indices), REVIVED_AT_ONCE):  # all are checked first
            some = indices[place : place + REVIVED_AT_ONCE]
            self._ledger.observe(partial(_require_dead, job, some))
            for index in some:
                chosen.add(index, index + 1)
            await asyncio.sleep(0)
        if chosen:
            await self._replay(job, chosen)

    async def _replay(self, job: str, chosen: RangeSet | None) -> None:
        await self._revive(
            job, lambda queue, start, now: queue.revival.replay(job, chosen, start, now)
        )

    async def _revive(self, job: str, revive: Callable[[Queue, int, Now], int | None]) -> None:
        """Revive some tasks at a time, each time from where the last transition ended."""
        start: int | None = 0

        def go_on(queue: Queue, now: Now) -> bool:
            nonlocal start
            start = revive(queue, start or 0, now)
            return start is not None

        def abandon(queue: Queue, now: Now) -> None:
            if start:
                queue.revival.abandon(job, now)

        try:
            while await self._ledger.commit(go_on):
                pass  # other calls get their turn with each commit
        except BaseException:  # client gone, job deleted, or store failed
            with suppress(StoreError):
                self._ledger.commit_now(abandon, RELIEF)  # after pending commits
            raise


def _require_dead(job: str, indices: Sequence[int], queue: Queue, _: Now) -> None:
    queue.revival.require_dead(job, indices)
