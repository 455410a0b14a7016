"""Outcomes that workers report: which of them count, and which tasks are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from headrace_coordinator.queue.events import SpanDone, TaskDead
from headrace_wire.batch import unpack_batch
from headrace_wire.errors import ProtocolError
from headrace_wire.messages.failures import CRASH, LOST
from headrace_wire.messages.jobs import FAILED, SUCCEEDED
from headrace_wire.messages.reports import DoneSpan
from support.queue_invariants import check_invariants

if TYPE_CHECKING:
    from support.queue_builders import Rig


def test_the_first_accepted_outcome_stands(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=1)
    (held,) = rig.lease("a")
    rig.seconds = 20.0
    rig.queue.tick(rig.now)
    rig.join("b")
    (again,) = rig.lease("b")
    assert again.attempt == 2
    assert rig.finish(held).accepted == 1
    receipt = rig.finish(again)
    assert (receipt.accepted, receipt.dropped) == (0, 1)
    assert rig.status().state == SUCCEEDED
    check_invariants(rig.queue.state)


def test_of_a_run_that_is_partly_done_only_the_rest_is_taken(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=2)
    (held,) = rig.lease("a")
    rig.finish(held, 1, 2)
    rig.seconds = 20.0
    rig.queue.tick(rig.now)
    rig.queue.state.drain_events()
    receipt = rig.finish(held)
    assert (receipt.accepted, receipt.dropped) == (1, 1)
    (done,) = [event for event in rig.queue.state.drain_events() if isinstance(event, SpanDone)]
    assert (done.start, done.stop, unpack_batch(done.values)) == (0, 1, [b"0"])


def test_an_error_is_final_without_retries(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1)
    (lease,) = rig.lease()
    rig.fail(lease, 0)
    assert (rig.status().state, rig.status().failed) == (FAILED, 1)
    assert any(isinstance(event, TaskDead) for event in rig.queue.state.drain_events())


def test_an_error_is_tried_again_as_often_as_asked(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1, retries=2)
    for attempt in (1, 2, 3):
        (lease,) = rig.lease()
        assert lease.attempt == attempt
        rig.fail(lease, 0)
        rig.seconds += 60.0
        rig.beat()
    assert rig.status().state == FAILED
    assert rig.lease() == []


def test_a_retry_waits_for_its_pause(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1, retries=1)
    rig.fail(rig.lease()[0], 0)
    assert (rig.lease(), rig.status().retrying) == ([], 1)
    rig.seconds = 1.0
    assert len(rig.lease()) == 1


def test_a_task_that_kills_its_slot_has_three_attempts(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=3)
    attempts = 0
    while leases := rig.lease():
        for lease in leases:
            for index in range(lease.start, lease.stop):
                if index == 1:
                    attempts += 1
                    rig.fail(lease, index, CRASH)
                else:
                    rig.finish(lease, index, index + 1)
        check_invariants(rig.queue.state)
    assert attempts == 3
    status = rig.status()
    assert (status.state, status.done, status.failed) == (FAILED, 2, 1)


def test_a_task_that_takes_its_worker_along_is_lost_alone(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=200)
    rig.finish(rig.lease()[0], seconds=0.001)
    for _ in range(400):
        rig.join()
        leases = rig.lease()
        if not leases:
            break
        if any(150 in range(lease.start, lease.stop) for lease in leases):
            rig.seconds += 20.0  # the worker dies with all that it holds
            rig.queue.tick(rig.now)
        else:
            for lease in leases:
                rig.finish(lease, seconds=0.001)
        check_invariants(rig.queue.state)
    status = rig.status()
    assert (status.state, status.failed, status.done) == (FAILED, 1, 199)
    dead = [event for event in rig.queue.state.drain_events() if isinstance(event, TaskDead)]
    assert [(event.failure.index, event.failure.reason) for event in dead] == [(150, LOST)]


def test_a_report_with_the_wrong_number_of_values_is_refused_whole(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=10)
    (lease,) = rig.lease()
    good = DoneSpan(lease.id, "job", 0, 1, b"\x91\xc4\x01a", 0.0, 0.0)
    bad = DoneSpan(lease.id, "job", 1, 3, b"\x91\xc4\x01a", 0.0, 0.0)
    with pytest.raises(ProtocolError):
        rig.report("w", done=(good, bad))
    assert rig.status().done == 0
