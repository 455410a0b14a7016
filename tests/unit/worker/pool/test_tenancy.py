"""Whom slots work for, and when one makes room for another tenant."""

from __future__ import annotations

from typing import Any, cast

from headrace_worker.pool.backlog import Backlog, Span
from headrace_worker.pool.batch import Batch
from headrace_worker.pool.slot_process import SlotProcess
from headrace_worker.pool.tenancy import HOLD_SECONDS, HOLD_SHARE, SPARE_SECONDS, Tenancy


class FakeSlot:
    def __init__(self, tenant: str = "", *, busy: bool = False) -> None:
        self.tenant = tenant
        self.pieces = [1] if busy else []
        self.started_seconds = 0.0
        self.is_going = False


class Rig:
    def __init__(self, *slots: FakeSlot) -> None:
        self.tenancy = Tenancy()
        self.fakes = list(slots)
        self.backlog = Backlog()

    @property
    def slots(self) -> list[SlotProcess]:
        return cast("list[SlotProcess]", self.fakes)

    def put(self, *tenants: str) -> None:
        for tenant in tenants:
            batch = Batch(1, f"job-{tenant}", "calls", "map", b"", 0, 10, tenant=tenant)
            self.tenancy.note_work(tenant)
            self.backlog.append(Span(batch, 0, 10))

    def choose(self, slot: FakeSlot) -> Any:
        span = self.tenancy.choose(self.backlog, cast("SlotProcess", slot), self.slots)
        return span and span.batch.tenant

    def vacate(self, now_seconds: float) -> list[Any]:
        return list(self.tenancy.vacate(self.backlog, self.slots, now_seconds))


def test_without_tenants_everything_goes_to_every_slot_in_order() -> None:
    rig = Rig(FakeSlot(), FakeSlot(busy=True))
    rig.put("", "")
    assert rig.choose(rig.fakes[0]) == ""
    assert rig.vacate(1e6) == []


def test_a_slot_is_sent_its_tenants_tasks_alone() -> None:
    rig = Rig(FakeSlot("a"), FakeSlot("b"), FakeSlot("c"))
    rig.put("b", "", "a")
    assert [rig.choose(slot) for slot in rig.fakes] == ["a", "b", None]


def test_a_vacant_slot_goes_to_whom_no_slot_serves() -> None:
    rig = Rig(FakeSlot("a", busy=True), FakeSlot())
    rig.put("a", "b")
    assert rig.choose(rig.fakes[1]) == "b"
    rig.fakes.append(FakeSlot("b"))
    assert rig.choose(rig.fakes[1]) == "a"


def test_a_slot_without_work_makes_room_at_once() -> None:
    busy, idle = FakeSlot("a", busy=True), FakeSlot("a")
    rig = Rig(busy, idle)
    rig.put("b")
    assert rig.vacate(0.0) == [idle]
    idle.is_going = True
    assert rig.vacate(100.0) == []  # a fresh one is on its way
    rig.put("")
    assert rig.vacate(100.0) == []  # has waited for no time yet
    assert rig.vacate(100.0 + HOLD_SECONDS) == [busy]


def test_a_slot_that_has_work_makes_room_after_a_while() -> None:
    rig = Rig(FakeSlot("a", busy=True))
    rig.put("a", "b")
    rig.tenancy.note_setup("a", 3.0)
    assert rig.vacate(10.0) == []
    assert rig.tenancy.due_seconds == 10.0 + 3.0 * HOLD_SHARE
    assert rig.vacate(10.0 + 3.0 * HOLD_SHARE) == rig.fakes
    # The fresh slot is for who has waited, although the other's tasks are put back before.
    rig.fakes = [FakeSlot()]
    assert rig.vacate(30.0) == []
    assert rig.choose(rig.fakes[0]) == "b"


def test_who_has_most_slots_makes_room() -> None:
    rig = Rig(FakeSlot("a", busy=True), FakeSlot("b", busy=True), FakeSlot("b", busy=True))
    rig.put("a", "b", "c")
    rig.vacate(0.0)
    assert rig.vacate(HOLD_SECONDS) == [rig.fakes[1]]


def test_a_spare_slot_is_given_to_who_has_too_much() -> None:
    rig = Rig(FakeSlot("a"), FakeSlot("b", busy=True))
    rig.put("b")
    assert rig.vacate(5.0) == []
    assert rig.tenancy.due_seconds == 5.0 + SPARE_SECONDS
    assert rig.vacate(5.0 + SPARE_SECONDS) == [rig.fakes[0]]
