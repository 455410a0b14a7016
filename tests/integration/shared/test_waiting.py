"""Threads that wait are woken when something happened, and look no more often than that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger, Result
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_coordinator.serving.topics import name_topic
from headrace_coordinator.serving.wake import Waiters
from headrace_coordinator.store.need import OUTCOMES, Need
from headrace_coordinator.store.store import Store
from headrace_wire.messages.shared import LOCK, SharedAnswer, SharedCall, SharedSpec, Stamp
from support.commands import wait_until
from support.loop_thread import LoopThread

#: Seconds for what must come.
PATIENCE_SECONDS = 20.0


class CountingLedger(Ledger):
    """Counts the attempts that are made."""

    attempts = 0

    async def commit(
        self, transition: Callable[[Queue, Now], Result], need: Need = OUTCOMES
    ) -> Result:
        self.attempts += 1
        return await super().commit(transition, need)


@dataclass
class Rig:
    """Shared objects as they are served, and calls of them."""

    calls: LoopThread
    ledger: CountingLedger
    waiters: Waiters
    shared: SharedObjects


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    store = Store(tmp_path / "store")
    ledger = CountingLedger(store, Rules(), lambda _: None)
    with LoopThread() as calls:
        waiters = Waiters()
        yield Rig(calls, ledger, waiters, SharedObjects(ledger, waiters, 15.0))
    store.close()


def take_lock(rig: Rig) -> Future[SharedAnswer]:
    """Let one session have the lock, and another one wait for it."""
    rig.calls.answer(rig.shared.open(SharedSpec("k", LOCK)))
    rig.calls.answer(rig.shared.change(SharedCall(Stamp("a", 0, 1), "k", LOCK, "acquire")))
    rig.ledger.attempts = 0
    call = SharedCall(Stamp("b", 0, 1), "k", LOCK, "acquire", wait_seconds=PATIENCE_SECONDS)
    return rig.calls.begin(rig.shared.change(call))


def test_a_waiting_call_looks_once_for_each_ring(rig: Rig) -> None:
    waiting = take_lock(rig)
    topic = name_topic("shared", "k")
    for rings in range(1, 4):
        wait_until(lambda: rig.waiters.count_waiters(topic))
        assert rig.ledger.attempts == rings
        assert rig.shared.count_lock_waiters() == 1
        rig.calls.run(lambda: rig.waiters.notify(topic))
    release = SharedCall(Stamp("a", 0, 2), "k", LOCK, "release", numbers=(1,))
    rig.calls.answer(rig.shared.change(release))
    wait_until(lambda: rig.waiters.count_waiters(topic) or waiting.done())
    rig.calls.run(lambda: rig.waiters.notify(topic))
    assert waiting.result(PATIENCE_SECONDS).numbers == (2,)
    assert rig.ledger.attempts <= 6
    assert rig.shared.count_lock_waiters() == 0


def test_a_wait_ends_when_nobody_may_wait_any_more(rig: Rig) -> None:
    waiting = take_lock(rig)
    wait_until(lambda: rig.shared.count_lock_waiters() == 1)
    rig.calls.run(rig.waiters.close)
    assert not waiting.result(PATIENCE_SECONDS).done
