"""Payloads that stay are given checksums beside the commits; without one a power cut takes them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator import store_loading
from headrace_coordinator.store import CHECKED_AT_ONCE, PAYLOAD_BYTES, Durability, Store
from headrace_coordinator.unchecked import SETTLED_SECONDS
from support.queue_builders import Rig


class StoredRig(Rig):
    """A queue whose events go to a store, with large inputs."""

    def __init__(self, path: Path, durability: Durability = "process") -> None:
        super().__init__()
        self.path = path
        self.store = Store(path, durability)
        self.submit(tasks=None)

    def write(self) -> None:
        state = self.queue.state
        self.store.write(state.drain_events(), state.jobs, self.seconds)

    def put_large(self, count: int = 1) -> None:
        first = self.queue.state.find("job").tasks
        for index in range(first, first + count):
            self.put("job", index, [bytes(PAYLOAD_BYTES)])
        self.write()

    def check(self) -> None:
        self.store.check_payloads(threading.Lock(), self.seconds)

    def list_checked(self) -> list[bool]:
        with closing(sqlite3.connect(self.path)) as connection:
            query = "SELECT checksum IS NOT NULL FROM inputs ORDER BY start"
            return [bool(checked) for (checked,) in connection.execute(query)]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[StoredRig]:
    made = StoredRig(tmp_path / "store")
    yield made
    made.store.close()


@pytest.fixture
def restart_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = tmp_path / "boot"
    boot.write_text("the machine's next start")
    monkeypatch.setattr(store_loading, "BOOT_FILE", boot)


def count_inputs(path: Path) -> int:
    with closing(Store(path)) as store:
        ((job, _),) = store.load()
        return len(job.chunks.starts)


def test_what_stays_is_checked(rig: StoredRig) -> None:
    rig.put_large(CHECKED_AT_ONCE + 2)
    rig.seconds += SETTLED_SECONDS / 2
    rig.put_large()
    rig.seconds += SETTLED_SECONDS / 2
    rig.check()
    assert rig.list_checked() == [True] * (CHECKED_AT_ONCE + 2) + [False]
    rig.seconds += SETTLED_SECONDS
    rig.check()
    assert all(rig.list_checked())


def test_what_is_gone_is_not_checked(rig: StoredRig) -> None:
    rig.put_large(2)
    rig.queue.intake.delete("job")
    rig.write()
    rig.seconds += SETTLED_SECONDS
    rig.check()
    assert rig.list_checked() == []


@pytest.mark.usefixtures("restart_machine")
def test_a_power_cut_takes_what_was_not_checked(rig: StoredRig) -> None:
    rig.put_large(2)
    rig.seconds += SETTLED_SECONDS
    rig.check()
    rig.put_large()
    assert count_inputs(rig.path) == 2


def test_a_restart_alone_takes_nothing(rig: StoredRig) -> None:
    rig.store.load()  # which notes the machine's start
    rig.put_large(2)
    assert count_inputs(rig.path) == 2
    assert all(rig.list_checked()), "closed in good order"


def test_a_store_that_is_closed_in_good_order_is_checked(tmp_path: Path) -> None:
    rig = StoredRig(tmp_path / "store")
    rig.put_large(2)
    rig.store.close()
    assert rig.list_checked() == [True, True]


def test_what_is_synced_is_checked_at_once(tmp_path: Path) -> None:
    rig = StoredRig(tmp_path / "store", "power")
    rig.put_large()
    assert rig.list_checked() == [True]
    rig.store.close()
