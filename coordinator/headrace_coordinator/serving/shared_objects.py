"""Shared state as it is served: the API's methods over the ledger, with their waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from msgspec.structs import replace

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.serving.bells import Bells
from headrace_coordinator.serving.commit import Committer
from headrace_coordinator.store.need import RELIEF
from headrace_wire.api import MAX_WAIT_SECONDS, NAMES_PER_PAGE
from headrace_wire.loop import Answer
from headrace_wire.shared import (
    LOCK,
    SharedAnswer,
    SharedBeat,
    SharedCall,
    SharedOrders,
    SharedSpec,
    SharedStatus,
)


def name_shared_topic(name: str) -> str:
    """Topic that rings when something of a shared object changed."""
    return f"shared {name}"


class SharedObjects:
    """Serves ``headrace_wire.api.SharedApi``, in the loop's thread."""

    def __init__(
        self, ledger: Ledger, commit: Committer, bells: Bells, lease_seconds: float
    ) -> None:
        self._ledger = ledger
        self._commit = commit
        self._bells = bells
        self._lease_seconds = lease_seconds
        self._waiting: Counter[tuple[str, str]] = Counter()

    def open(self, spec: SharedSpec) -> Answer[SharedStatus]:
        return self._commit(lambda queue, now: queue.shared.open(spec, now))

    def read(self, call: SharedCall) -> Answer[SharedAnswer]:
        def attempt() -> Answer[SharedAnswer]:
            yield from ()
            answer: SharedAnswer = self._ledger.observe(lambda queue, _: queue.shared.read(call))
            return answer

        return self._wait(call, attempt)

    def change(self, call: SharedCall) -> Answer[SharedAnswer]:
        def attempt() -> Answer[SharedAnswer]:
            return self._commit(lambda queue, now: queue.shared.change(call, now))

        return self._wait(call, attempt)

    def beat(self, beat: SharedBeat) -> Answer[SharedOrders]:
        yield from self._commit(lambda queue, now: queue.shared.beat(beat, now), RELIEF)
        return SharedOrders(self._lease_seconds)

    def leave(self, session: str) -> Answer[None]:
        yield from self._commit(lambda queue, _: queue.shared.leave(session), RELIEF)

    def names(self, after: str = "") -> tuple[SharedStatus, ...]:
        statuses: list[SharedStatus] = self._ledger.observe(
            lambda queue, _: queue.shared.statuses(after, NAMES_PER_PAGE)
        )
        return tuple(
            replace(status, waiting=self._waiting[status.kind, status.name]) for status in statuses
        )

    def count_lock_waiters(self) -> int:
        """Calls that wait for a lock just now. Callable from any thread."""
        return sum(count for (kind, _), count in list(self._waiting.items()) if kind == LOCK)

    def _wait(
        self, call: SharedCall, attempt: Callable[[], Answer[SharedAnswer]]
    ) -> Answer[SharedAnswer]:
        """Try until it is done or the wait is over."""
        topic = name_shared_topic(call.name)
        deadline = time.monotonic() + min(call.wait_seconds, MAX_WAIT_SECONDS)
        rung = self._bells.count(topic)
        answer = yield from attempt()
        if answer.done or call.wait_seconds <= 0:
            return answer
        self._waiting[call.kind, call.name] += 1
        try:
            while not answer.done and (yield self._bells.wait(topic, rung, deadline)):
                rung = self._bells.count(topic)
                answer = yield from attempt()
            return answer
        finally:
            self._waiting[call.kind, call.name] -= 1
            if not self._waiting[call.kind, call.name]:
                del self._waiting[call.kind, call.name]
