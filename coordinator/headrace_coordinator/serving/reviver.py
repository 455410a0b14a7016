"""How failed and cancelled tasks run again when they are many: with others' calls between."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.ranges import RangeSet
from headrace_coordinator.queue.revival import REVIVED_AT_ONCE, Revival
from headrace_coordinator.serving.commit import Committer
from headrace_wire.errors import StoreError
from headrace_wire.loop import Answer


class Reviver:
    """Carries out ``Revival``'s transitions, a commit for each. Lives in the loop's thread."""

    def __init__(self, ledger: Ledger, commit: Committer) -> None:
        self._ledger = ledger
        self._commit = commit

    def retry(self, job: str) -> Answer[None]:
        """See ``Intake.retry``."""
        if self._is_small(job):
            yield from self._commit(lambda queue, now: queue.intake.retry(job, now))
        elif (yield from self._do("begin_retry", job)):
            yield from self._until_end(job, self._retry_all(job))

    def replay(self, job: str, indices: Sequence[int]) -> Answer[None]:
        """See ``Intake.replay``."""
        chosen = sorted(set(indices))
        if len(chosen) <= REVIVED_AT_ONCE and (chosen or self._is_small(job)):
            yield from self._commit(lambda queue, now: queue.intake.replay(job, chosen, now))
            return
        parts: list[RangeSet] = []  # all of them are looked at before any is changed
        for place in range(0, len(chosen), REVIVED_AT_ONCE):
            some = chosen[place : place + REVIVED_AT_ONCE]
            parts.append((yield from self._commit(partial(_choose, job, some))))
            yield self._commit.give_way()
        if (yield from self._do("begin_replay", job)):
            replaying = self._replay_parts(job, parts) if parts else self._replay_all(job)
            yield from self._until_end(job, replaying)

    def _retry_all(self, job: str) -> Answer[None]:
        tasks: int = self._ledger.observe(lambda queue, _: queue.state.find(job).tasks)
        cursor = 0
        while cursor < tasks:
            cursor = yield from self._do("retry", job, cursor, REVIVED_AT_ONCE)

    def _replay_parts(self, job: str, parts: Sequence[RangeSet]) -> Answer[None]:
        for part in parts:
            yield from self._do("replay", job, part)

    def _replay_all(self, job: str) -> Answer[None]:
        cursor = 0
        while found := self._look_for_dead(job, cursor):
            yield from self._do("replay", job, found)
            cursor = found[-1][1]

    def _until_end(self, job: str, reviving: Answer[None]) -> Answer[None]:
        ended = False
        try:
            yield from reviving
            yield from self._do("end", job)
            ended = True
        finally:
            if not ended:  # the client went, or the job was deleted, or the store fails
                with suppress(StoreError):  # then the queue is made anew, and knows of nothing
                    self._ledger.observe(lambda queue, now: queue.intake.revival.end(job, now))

    def _do(self, step: str, job: str, *arguments: Any) -> Answer[Any]:
        def transition(queue: Queue, now: Now) -> Any:
            return getattr(queue.intake.revival, step)(job, *arguments, now)

        answer = yield from self._commit(transition)
        yield self._commit.give_way()
        return answer

    def _is_small(self, job: str) -> bool:
        small: bool = self._ledger.observe(lambda queue, _: queue.intake.revival.is_small(job))
        return small

    def _look_for_dead(self, job: str, cursor: int) -> list[tuple[int, int]]:
        def look(queue: Queue, _: Now) -> list[tuple[int, int]]:
            return queue.intake.revival.find_dead(job, cursor, REVIVED_AT_ONCE)

        found: list[tuple[int, int]] = self._ledger.observe(look)
        return found


def _choose(job: str, indices: Sequence[int], queue: Queue, _: Now) -> RangeSet:
    revival: Revival = queue.intake.revival
    return revival.choose(job, indices)
