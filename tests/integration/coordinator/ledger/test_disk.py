"""A ledger whose disk is full, damaged or cannot be measured, and what deleted jobs give back."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.store import payload_file, space
from headrace_coordinator.store.disk import Disk
from headrace_coordinator.store.need import LARGE_BYTES, RELIEF
from headrace_wire.batch import pack_batch
from headrace_wire.errors import HeadraceError, StoreError
from support.queue_builders import make_spec

if TYPE_CHECKING:
    from headrace_coordinator.moment import Now
    from headrace_coordinator.queue.queue import Queue
    from support.ledger_rig import LedgerRig


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (OSError(5, "Input/output error"), r"cannot be written \(.*Input/output error"),
        (RuntimeError("a mistake"), "its log says why"),
    ],
)
def test_a_call_is_answered_even_if_its_room_cannot_be_measured(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch, fault: Exception, told: str
) -> None:
    def fail(_: object) -> None:
        raise fault

    async def submit() -> None:
        async with asyncio.timeout(60):
            await rig.ledger.commit(lambda queue, now: queue.intake.submit(make_spec("a"), now))

    with monkeypatch.context() as broken:
        broken.setattr(rig.store.space, "find_shortage", fail)
        with pytest.raises(HeadraceError, match=told):
            asyncio.run(submit())
    rig.submit("b")
    assert rig.list_stored() == ["b"]


def test_a_disk_that_cannot_be_measured_is_a_problem_until_it_can(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Disk, "measure_free", fail)
        rig.ledger.mend()
        assert "Input/output error" in rig.ledger.problem
        rig.ledger.commit_now(lambda queue, now: queue.tick(now), RELIEF)
    rig.ledger.mend()
    assert not rig.ledger.problem


def test_a_full_disk_refuses_clearly_and_forgets_what_was_not_acknowledged(rig: LedgerRig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    with pytest.raises(StoreError, match=r"cannot be written .*make room"):
        rig.put("a", 0, bytes(LARGE_BYTES - 100))
    assert rig.ledger.problem
    assert rig.list_jobs() == rig.list_stored() == ["a"]
    rig.ledger.mend()
    assert rig.ledger.problem, "there is still no room"


def test_when_there_is_room_again_it_goes_on(rig: LedgerRig) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    with pytest.raises(StoreError):
        rig.put("a", 0, bytes(LARGE_BYTES - 100))
    rig.make_room()
    rig.ledger.mend()
    assert rig.ledger.problem == ""
    rig.put("a", 0, bytes(1 << 20))
    assert rig.store.reader.read_inputs("a", 0, 1) == (pack_batch([bytes(1 << 20)]),)


def test_a_payload_for_which_the_disk_has_no_room_is_refused_clearly(rig: LedgerRig) -> None:
    rig.submit("a", None)
    rig.put("a", 0, b"first" * LARGE_BYTES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot be written .*make room"):
            rig.put("a", 1, bytes(4 << 20))
        rig.ledger.mend()
        assert rig.ledger.problem == "", "there is room for what is smaller"
        assert rig.store.reader.read_inputs("a", 0, 1) == (pack_batch([b"first" * LARGE_BYTES]),)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    rig.put("a", 1, bytes(4 << 20))
    assert rig.store.reader.read_inputs("a", 1, 2) == (pack_batch([bytes(4 << 20)]),)


def test_while_the_store_cannot_be_written_work_is_refused_and_looks_are_not(
    rig: LedgerRig,
) -> None:
    rig.submit("a", None)
    rig.fill_disk()
    for _ in range(2):
        with pytest.raises(StoreError, match="make room"):
            rig.put("a", 0, bytes(LARGE_BYTES - 100))
    assert rig.list_jobs() == ["a"]


def test_a_store_that_is_damaged_while_it_is_used_is_told_and_never_written_over(
    rig: LedgerRig,
) -> None:
    rig.submit("a")
    rig.store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rig.store._writer.execute("PRAGMA writable_schema = ON")
    rig.store._writer.execute("UPDATE jobs SET dropped = x'c1'")

    def break_down(queue: Queue, now: Now) -> None:
        raise ZeroDivisionError

    with pytest.raises(HeadraceError):
        rig.ledger.commit_now(break_down)  # the queue is to be made anew, and cannot be
    assert "damaged" in rig.ledger.problem
    with pytest.raises(StoreError, match="damaged"):
        rig.submit("b")
    with pytest.raises(StoreError, match="damaged"):
        rig.ledger.observe(lambda queue, _: queue.state.find("a"))
    rig.ledger.mend()
    assert "damaged" in rig.ledger.problem
    assert rig.list_stored() == ["a"]


def test_the_disk_gets_back_what_deleted_jobs_took(
    rig: LedgerRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space, "FREE_BYTES", 4 << 20)
    monkeypatch.setattr(payload_file, "SPARE_BYTES", 0)
    rig.submit("kept")
    rig.submit("a", None)
    for start in range(0, 800, 2):
        rig.put("a", start, bytes(12 << 10))
        rig.put("a", start + 1, bytes(24 << 10))
    rig.ledger.compact()
    assert rig.store.space.measure_bytes() > 8 << 20
    rig.ledger.commit_now(lambda queue, _: queue.intake.delete("a"))
    rig.ledger.compact()
    assert rig.store.space.measure_bytes() < 1 << 20
    assert rig.list_stored() == rig.list_jobs() == ["kept"]
