"""How failed and cancelled tasks run again when they are many: with others' calls between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.revival import REVIVED_AT_ONCE, Revival
from headrace_wire.errors import StoreError


class Reviver:
    """Carries out ``Revival``'s transitions, a commit for each, in the event loop's thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def retry(self, job: str) -> None:
        """See ``Intake.retry``."""
        if self._is_small(job):
            await self._ledger.commit(lambda queue, now: queue.intake.retry(job, now))
        elif await self._do("begin_retry", job):
            await self._until_end(job, self._retry_all(job))

    async def replay(self, job: str, indices: Sequence[int]) -> None:
        """See ``Intake.replay``."""
        chosen = sorted(set(indices))
        if len(chosen) <= REVIVED_AT_ONCE and (chosen or self._is_small(job)):
            await self._ledger.commit(lambda queue, now: queue.intake.replay(job, chosen, now))
            return
        parts: list[RangeSet] = []  # all of them are looked at before any is changed
        for place in range(0, len(chosen), REVIVED_AT_ONCE):
            some = chosen[place : place + REVIVED_AT_ONCE]
            parts.append(await self._ledger.commit(partial(_choose, job, some)))
            await asyncio.sleep(0)
        if await self._do("begin_replay", job):
            replaying = self._replay_parts(job, parts) if parts else self._replay_all(job)
            await self._until_end(job, replaying)

    async def _retry_all(self, job: str) -> None:
        tasks = self._ledger.observe(lambda queue, _: queue.state.find(job).tasks)
        cursor = 0
        while cursor < tasks:
            cursor = await self._do("retry", job, cursor, REVIVED_AT_ONCE)

    async def _replay_parts(self, job: str, parts: Sequence[RangeSet]) -> None:
        for part in parts:
            await self._do("replay", job, part)

    async def _replay_all(self, job: str) -> None:
        cursor = 0
        while found := self._look_for_dead(job, cursor):
            await self._do("replay", job, found)
            cursor = found[-1][1]

    async def _until_end(self, job: str, reviving: Awaitable[None]) -> None:
        ended = False
        try:
            await reviving
            await self._do("end", job)
            ended = True
        finally:
            if not ended:  # the client went, or the job was deleted, or the store fails
                with suppress(StoreError):  # then the queue is made anew, and knows of nothing
                    self._ledger.observe(lambda queue, now: queue.intake.revival.end(job, now))

    async def _do(self, step: str, job: str, *arguments: Any) -> Any:
        def transition(queue: Queue, now: Now) -> Any:
            return getattr(queue.intake.revival, step)(job, *arguments, now)

        answer = await self._ledger.commit(transition)
        await asyncio.sleep(0)
        return answer

    def _is_small(self, job: str) -> bool:
        return self._ledger.observe(lambda queue, _: queue.intake.revival.is_small(job))

    def _look_for_dead(self, job: str, cursor: int) -> list[tuple[int, int]]:
        return self._ledger.observe(
            lambda queue, _: queue.intake.revival.find_dead(job, cursor, REVIVED_AT_ONCE)
        )


def _choose(job: str, indices: Sequence[int], queue: Queue, _: Now) -> RangeSet:
    revival: Revival = queue.intake.revival
    return revival.choose(job, indices)
