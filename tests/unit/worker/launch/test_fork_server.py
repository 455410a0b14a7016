"""What is sent to the fork server, and what it says."""

from __future__ import annotations

import os
import signal
from typing import Any, cast

import pytest

from headrace_services.permits import Permits
from headrace_services.this_slot import Home
from headrace_wire.address import Address
from headrace_worker.launch import forked_slot
from headrace_worker.launch.forked_slot import ForkedSlot
from headrace_worker.launch.order import Order
from headrace_worker.launch.orphans import wait_for_orphan
from headrace_worker.launch.report import REPORT
from headrace_worker.slot.slot import SlotSettings, run_slot


@pytest.mark.parametrize(
    "settings",
    [
        SlotSettings("module:function"),
        SlotSettings(
            "module:function",
            ("one", "two"),
            max_tasks=3,
            max_rss_bytes=1 << 40,
            forked=True,
            permits=Permits(("shop", "shop:sell"), True, ("/code", "/k\udcff"), True),
            task_stdout=True,
            home=Home(Address("::1", 7333)),
        ),
    ],
)
def test_an_order_arrives_as_it_was_given(settings: SlotSettings) -> None:
    order = Order.make(run_slot, settings, "headrace-slot-1")
    assert order.target == ("headrace_worker.slot.slot", "run_slot")
    assert Order.decode(order.encode()) == order


class GoneServer:
    """A fork server that has died."""

    def kill(self) -> None:
        pass

    def wait(self) -> int:
        return 0


def test_a_slot_that_is_gone_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be another process's by now."""
    report, theirs = os.pipe()
    os.write(theirs, REPORT.pack(os.getpid()) + REPORT.pack(-signal.SIGSEGV))
    os.close(theirs)
    monkeypatch.delattr(os, "kill")
    slot = ForkedSlot(report, cast("Any", GoneServer()))
    slot.kill()
    assert slot.exitcode == -signal.SIGSEGV


def test_a_slot_that_is_nobodys_child_here_ended_nobody_knows_how() -> None:
    report, theirs = os.pipe()
    os.write(theirs, REPORT.pack(os.getppid()))
    slot = ForkedSlot(report, cast("Any", GoneServer()))
    assert slot.exitcode is None
    os.close(theirs)
    slot.join(0.01)
    assert slot.exitcode is None


def test_a_slot_whose_number_another_user_has_by_now_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(number: int, signal_number: int) -> None:
        raise PermissionError(f"{number} is another user's")

    monkeypatch.setattr(os, "kill", refuse)
    assert wait_for_orphan(os.getppid(), None) is None


def test_a_fork_server_that_does_not_answer_is_ended_and_said_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forked_slot, "ANSWER_SECONDS", 0.01)
    report, theirs = os.pipe()
    with pytest.raises(OSError, match="does not answer"):
        ForkedSlot(report, cast("Any", GoneServer()))
    os.close(report)
    os.close(theirs)
