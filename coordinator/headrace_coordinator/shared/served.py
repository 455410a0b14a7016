"""Shared state as it is served: the API's methods over the ledger, with their waits."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from headrace_coordinator.bells import Bells
from headrace_coordinator.ledger import Ledger
from headrace_wire.api import MAX_WAIT_SECONDS
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
    """Serves ``headrace_wire.api.SharedApi``. Thread safe."""

    def __init__(self, ledger: Ledger, bells: Bells, lease_seconds: float) -> None:
        self._ledger = ledger
        self._bells = bells
        self._lease_seconds = lease_seconds
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._waiting_lock = threading.Lock()

    def open(self, spec: SharedSpec) -> SharedStatus:
        status: SharedStatus = self._ledger.commit(lambda queue, now: queue.shared.open(spec, now))
        return status

    def read(self, call: SharedCall) -> SharedAnswer:
        return self._wait(
            call, lambda: self._ledger.observe(lambda queue, _: queue.shared.read(call))
        )

    def change(self, call: SharedCall) -> SharedAnswer:
        return self._wait(
            call, lambda: self._ledger.commit(lambda queue, now: queue.shared.change(call, now))
        )

    def beat(self, beat: SharedBeat) -> SharedOrders:
        self._ledger.commit(lambda queue, now: queue.shared.beat(beat, now))
        return SharedOrders(self._lease_seconds)

    def leave(self, session: str) -> None:
        self._ledger.commit(lambda queue, _: queue.shared.leave(session))

    def names(self) -> tuple[SharedStatus, ...]:
        statuses: list[SharedStatus] = self._ledger.observe(
            lambda queue, _: queue.shared.statuses()
        )
        with self._waiting_lock:
            return tuple(
                replace(status, waiting=self._waiting[status.kind, status.name])
                for status in statuses
            )

    def count_lock_waiters(self) -> int:
        """Calls that wait for a lock just now."""
        with self._waiting_lock:
            return sum(count for (kind, _), count in self._waiting.items() if kind == LOCK)

    def _wait(self, call: SharedCall, attempt: Callable[[], SharedAnswer]) -> SharedAnswer:
        """Try until it is done or the wait is over."""
        topic = name_shared_topic(call.name)
        deadline = time.monotonic() + min(call.wait_seconds, MAX_WAIT_SECONDS)
        rung = self._bells.count(topic)
        answer = attempt()
        if answer.done or call.wait_seconds <= 0:
            return answer
        with self._waiting_lock:
            self._waiting[call.kind, call.name] += 1
        try:
            while not answer.done and self._bells.wait(topic, rung, deadline):
                rung = self._bells.count(topic)
                answer = attempt()
            return answer
        finally:
            with self._waiting_lock:
                self._waiting[call.kind, call.name] -= 1
                if not self._waiting[call.kind, call.name]:
                    del self._waiting[call.kind, call.name]
