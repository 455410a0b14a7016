"""Shared state as it is served: the API's methods over the ledger, with their waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.serving.callers import name_key
from headrace_coordinator.serving.topics import name_topic
from headrace_coordinator.serving.wake import Waiters, find_deadline
from headrace_coordinator.store.need import RELIEF
from headrace_wire.api import NAMES_PER_PAGE
from headrace_wire.messages.shared import (
    LOCK,
    SharedAnswer,
    SharedBeat,
    SharedCall,
    SharedOrders,
    SharedSpec,
    SharedStatus,
)


class SharedObjects:
    """Serves ``headrace_wire.api.SharedApi``, in the event loop's thread.

    ``find_payer`` returns the name of the key to which the objects of a caller are charged.
    """

    def __init__(
        self,
        ledger: Ledger,
        waiters: Waiters,
        lease_seconds: float,
        find_payer: Callable[[], str] = name_key,
    ) -> None:
        self._ledger = ledger
        self._waiters = waiters
        self._lease_seconds = lease_seconds
        self._find_payer = find_payer
        self._waiting: Counter[tuple[str, str]] = Counter()

    async def open(self, spec: SharedSpec) -> SharedStatus:
        key = self._find_payer()
        return await self._ledger.commit(lambda queue, now: queue.shared.open(spec, now, key))

    async def read(self, call: SharedCall) -> SharedAnswer:
        async def attempt() -> SharedAnswer:
            return self._ledger.observe(lambda queue, _: queue.shared.read(call))

        return await self._wait(call, attempt)

    async def change(self, call: SharedCall) -> SharedAnswer:
        key = self._find_payer()

        async def attempt() -> SharedAnswer:
            return await self._ledger.commit(lambda queue, now: queue.shared.change(call, now, key))

        return await self._wait(call, attempt)

    async def beat(self, beat: SharedBeat) -> SharedOrders:
        key = self._find_payer()
        await self._ledger.commit(lambda queue, now: queue.shared.beat(beat, now, key), RELIEF)
        return SharedOrders(self._lease_seconds)

    async def leave(self, session: str) -> None:
        await self._ledger.commit(lambda queue, _: queue.shared.leave(session), RELIEF)

    def names(self, after: str = "") -> tuple[SharedStatus, ...]:
        statuses = self._ledger.observe(
            lambda queue, _: queue.shared.statuses(after, NAMES_PER_PAGE)
        )
        return tuple(
            replace(status, waiting=self._waiting[status.kind, status.name]) for status in statuses
        )

    def count_lock_waiters(self) -> int:
        """Return how many calls are waiting for a lock now. Callable from any thread."""
        return sum(count for (kind, _), count in list(self._waiting.items()) if kind == LOCK)

    async def _wait(
        self, call: SharedCall, attempt: Callable[[], Awaitable[SharedAnswer]]
    ) -> SharedAnswer:
        """Try until it is done or the wait is over."""
        topic, deadline = name_topic("shared", call.name), find_deadline(call.wait_seconds)
        version = self._waiters.version(topic)
        answer = await attempt()
        if answer.done or call.wait_seconds <= 0:
            return answer
        self._waiting[call.kind, call.name] += 1
        try:
            while not answer.done and await self._waiters.wait(topic, version, deadline):
                version = self._waiters.version(topic)
                answer = await attempt()
            return answer
        finally:
            self._waiting[call.kind, call.name] -= 1
            if not self._waiting[call.kind, call.name]:
                del self._waiting[call.kind, call.name]
