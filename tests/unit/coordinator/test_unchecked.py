"""Payloads that stay are given checksums beside the commits; without one a power cut takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from headrace_coordinator import store_loading
from headrace_coordinator.store import CHECKED_AT_ONCE, PAYLOAD_BYTES, Durability, Store
from headrace_coordinator.unchecked import SETTLED_SECONDS
from support.stored_rig import StoredRig


def put_large(rig: StoredRig, count: int = 1) -> None:
    first = rig.queue.state.find("job").tasks
    for index in range(first, first + count):
        rig.put("job", index, [bytes(PAYLOAD_BYTES)])
    rig.write()


def check(rig: StoredRig) -> None:
    rig.store.check_payloads(threading.Lock(), rig.seconds)


def list_checked(rig: StoredRig) -> list[bool]:
    return list(map(bool, rig.read("SELECT checksum IS NOT NULL FROM inputs ORDER BY start")))


def open_rig(path: Path, durability: Durability = "process") -> StoredRig:
    made = StoredRig(path, durability)
    made.submit(tasks=None)
    return made


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[StoredRig]:
    made = open_rig(tmp_path / "store")
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
    put_large(rig, CHECKED_AT_ONCE + 2)
    rig.seconds += SETTLED_SECONDS / 2
    put_large(rig)
    rig.seconds += SETTLED_SECONDS / 2
    check(rig)
    assert list_checked(rig) == [True] * (CHECKED_AT_ONCE + 2) + [False]
    rig.seconds += SETTLED_SECONDS
    check(rig)
    assert all(list_checked(rig))


def test_what_is_gone_is_not_checked(rig: StoredRig) -> None:
    put_large(rig, 2)
    rig.queue.intake.delete("job")
    rig.write()
    rig.seconds += SETTLED_SECONDS
    check(rig)
    assert list_checked(rig) == []


@pytest.mark.usefixtures("restart_machine")
def test_a_power_cut_takes_what_was_not_checked(rig: StoredRig) -> None:
    put_large(rig, 2)
    rig.seconds += SETTLED_SECONDS
    check(rig)
    put_large(rig)
    assert count_inputs(rig.path) == 2


def test_a_restart_alone_takes_nothing(rig: StoredRig) -> None:
    rig.store.load()  # which notes the machine's start
    put_large(rig, 2)
    assert count_inputs(rig.path) == 2
    assert all(list_checked(rig)), "closed in good order"


def test_a_store_that_is_closed_in_good_order_is_checked(tmp_path: Path) -> None:
    rig = open_rig(tmp_path / "store")
    put_large(rig, 2)
    rig.store.close()
    assert list_checked(rig) == [True, True]


def test_what_is_synced_is_checked_at_once(tmp_path: Path) -> None:
    rig = open_rig(tmp_path / "store", "power")
    put_large(rig)
    assert list_checked(rig) == [True]
    rig.store.close()
