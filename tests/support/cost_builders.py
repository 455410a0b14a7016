"""What the guards of cost work with: batches that nobody may open, and a slot without a process."""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

from headrace_coordinator.queue.held_lease import HeldLease
from headrace_wire.batch import count_batch, pack_batch
from headrace_wire.messages.leases import Lease
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_worker.pool.batch import Batch
from headrace_worker.pool.slot_process import SlotProcess
from headrace_worker.slot.slot import SlotSettings


def make_unopened_batch(tasks: int, size_bytes: int = 0) -> bytes:
    """A batch by its head alone: whoever opens it raises ValueError."""
    head = pack_batch([b""] * tasks)[: 1 if tasks < 16 else 3]
    batch = head + b"\xc1" * max(size_bytes, tasks)
    assert count_batch(batch) == tasks
    return batch


def make_opaque_batch(tasks: int, size_bytes: int = 0) -> bytes:
    """A batch of items that nobody may open: what is in them is no msgpack."""
    item = b"\xc1" * max(1, size_bytes // max(1, tasks))
    return pack_batch([item] * tasks)


def make_report(
    worker: str, lease: HeldLease | Lease, tasks: int, number: int, values: bytes | None = None
) -> Report:
    """A report that the first tasks of a lease are done, in two milliseconds each."""
    start, stop = lease.start, lease.start + tasks
    seconds = 0.002 * tasks
    batch = make_opaque_batch(tasks) if values is None else values
    run = DoneSpan(lease.id, lease.job, start, stop, batch, seconds, seconds)
    return Report(worker, number, (run,), (), (), ())


def make_pool_batch(tasks: int) -> Batch:
    return Batch(1, "job", "probe", "noop", b"\x80", 0, tasks, 1, None, None)


def make_slot(stack: ExitStack) -> SlotProcess:
    """A slot without a process of its own."""

    def start(*about: object) -> object:
        return SimpleNamespace(pid=os.getpid())

    launcher = cast("Any", SimpleNamespace(start=start))
    slot = SlotProcess(launcher, SlotSettings("none"), "slot")
    stack.callback(slot.end.close)
    stack.callback(slot.cell.close)
    stack.callback(os.close, slot.exit_fd)
    return slot
