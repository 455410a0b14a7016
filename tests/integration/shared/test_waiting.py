"""Calls that wait are woken when something happened, and look no more often than that."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from headrace_coordinator.bells import Bells
from headrace_coordinator.ledger import Ledger, Transition
from headrace_coordinator.rules import Rules
from headrace_coordinator.shared.served import SharedObjects, name_shared_topic
from headrace_coordinator.store import Store
from headrace_wire.shared import LOCK, SharedCall, SharedSpec, Stamp
from support.commands import wait_until

#: Seconds for what must come.
PATIENCE_SECONDS = 20.0


class CountingLedger(Ledger):
    """Counts the attempts that are made."""

    attempts = 0

    def commit(self, transition: Transition) -> object:
        self.attempts += 1
        return super().commit(transition)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[CountingLedger]:
    store = Store(tmp_path / "store")
    yield CountingLedger(store, Rules(), lambda _: None)
    store.close()


def test_a_waiting_call_looks_once_for_each_ring(ledger: CountingLedger) -> None:
    bells = Bells()
    shared = SharedObjects(ledger, bells, 15.0)
    shared.open(SharedSpec("k", LOCK))
    shared.change(SharedCall(Stamp("a", 0, 1), "k", LOCK, "acquire"))
    with ThreadPoolExecutor(1) as pool:
        call = SharedCall(Stamp("b", 0, 1), "k", LOCK, "acquire", wait_seconds=PATIENCE_SECONDS)
        before = ledger.attempts
        waiting = pool.submit(shared.change, call)
        for rings in range(1, 4):
            wait_until(lambda: bells._waiters[name_shared_topic("k")])
            assert ledger.attempts - before == rings
            assert shared.count_lock_waiters() == 1
            bells.ring(name_shared_topic("k"))
        shared.change(SharedCall(Stamp("a", 0, 2), "k", LOCK, "release", numbers=(1,)))
        wait_until(lambda: bells._waiters[name_shared_topic("k")] or waiting.done())
        bells.ring(name_shared_topic("k"))
        assert waiting.result(PATIENCE_SECONDS).numbers == (2,)
    assert ledger.attempts - before <= 6
    assert shared.count_lock_waiters() == 0


def test_closed_bells_end_a_wait(ledger: CountingLedger) -> None:
    bells = Bells()
    shared = SharedObjects(ledger, bells, 15.0)
    shared.open(SharedSpec("k", LOCK))
    shared.change(SharedCall(Stamp("a", 0, 1), "k", LOCK, "acquire"))
    with ThreadPoolExecutor(1) as pool:
        call = SharedCall(Stamp("b", 0, 1), "k", LOCK, "acquire", wait_seconds=PATIENCE_SECONDS)
        waiting = pool.submit(shared.change, call)
        wait_until(lambda: shared.count_lock_waiters() == 1)
        bells.close()
        assert not waiting.result(PATIENCE_SECONDS).done
