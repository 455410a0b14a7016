"""The hot paths' cost does not grow with what it must not depend on.

Each case does the same thing twice, with little and with forty times as much of something, and
compares the bytecode instructions (see ``support.costs``). Both runs are of the same Python, so its
version does not matter, and the counts are the same at each run. ``SLACK`` and ``BRANCHES`` are for
what only the larger run meets, such as a longer header; anything that is done for each task, job or
worker costs thousands.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

import pytest

from headrace_coordinator.queue.held_lease import HeldLease
from headrace_services.calls.values import pack_value, unpack_value
from headrace_wire.batch import pack_batch, slice_batch
from headrace_worker.pool.backlog import Backlog, Span
from support.cost_builders import (
    make_opaque_batch,
    make_pool_batch,
    make_report,
    make_slot,
    make_unopened_batch,
)
from support.costs import count_operations
from support.queue_builders import Rig

#: How many times as much the larger run may cost, and how many instructions beside that.
SLACK, BRANCHES = 1.2, 100

#: How much there is in the smaller and in the larger run.
LITTLE, MUCH = 100, 4000

#: Tasks of the job, of which there are always more.
TASKS = 1 << 40


def make_rig(workers: int = 1) -> Rig:
    """A job of which one task is done, so that it is known how long they take."""
    rig = Rig()
    for worker in range(workers):
        rig.join(f"w{worker}")
    rig.submit("job", TASKS)
    (first,) = rig.lease("w0", 1)
    rig.queue.outcomes.report(make_report("w0", first, 1, 1), rig.now)
    rig.queue.state.drain_events()
    return rig


# Each gives the cost with so much of what it is named for.


def lease_a_run_of_many_tasks(amount: int) -> int:
    rig = make_rig()
    # So that half a second for two slots is as many tasks.
    rig.queue.state.jobs["job"].mean_seconds = 1.0 / amount
    leases: list[HeldLease] = []
    cost = count_operations(lambda: leases.extend(rig.lease("w0")))
    assert [lease.held.count for lease in leases] == [amount]
    return cost


def lease_beside_many_jobs(amount: int) -> int:
    rig = make_rig()
    for number in range(amount):
        rig.submit(f"ended{number}", 0)
        rig.submit(f"open{number}", None)
        rig.submit(f"waiting{number}", 10, priority=-1)
    return count_operations(lambda: rig.lease("w0"))


def lease_among_many_jobs(amount: int) -> int:
    rig = make_rig()
    for number in range(amount):
        rig.submit(f"new{number}", 10)
    return count_operations(lambda: [rig.lease("w0", 1) for _ in range(4)])


def submit_among_many_jobs(amount: int) -> int:
    rig = make_rig()
    for number in range(amount):
        rig.submit(f"new{number}", 10)
    return count_operations(lambda: rig.submit("one more", 1))


def lease_among_many_workers(amount: int) -> int:
    rig = make_rig(workers=amount)
    for worker in range(1, amount):
        rig.lease(f"w{worker}")
    return count_operations(lambda: rig.lease("w0"))


def lease_of_a_job_with_many_retries(amount: int) -> int:
    rig = make_rig()
    job = rig.queue.state.jobs["job"]
    for index in range(50_000, 50_000 + 2 * amount, 2):
        job.fresh.remove(index, index + 1)
        job.give_back(index, index + 1, 1, 0.0)
    return count_operations(lambda: rig.lease("w0", 1))


def report_a_run_of_many_tasks(amount: int) -> int:
    rig = make_rig()
    rig.queue.state.jobs["job"].mean_seconds = 1.0 / amount
    (lease,) = rig.lease("w0")
    report = make_report("w0", lease, amount, 2)
    return count_operations(lambda: rig.queue.outcomes.report(report, rig.now))


def report_with_many_leases_out(amount: int) -> int:
    rig = make_rig(workers=amount)
    (lease,) = rig.lease("w0")
    for worker in range(1, amount):
        rig.lease(f"w{worker}")
    report = make_report("w0", lease, 10, 2)
    return count_operations(lambda: rig.queue.outcomes.report(report, rig.now))


def report_with_many_gaps_between_what_is_done(amount: int) -> int:
    rig = make_rig()
    (lease,) = rig.lease("w0")
    done = rig.queue.state.jobs["job"].done
    for index in range(50_000, 50_000 + 2 * amount, 2):
        done.add(index, index + 1)
    report = make_report("w0", lease, 10, 2)
    return count_operations(lambda: rig.queue.outcomes.report(report, rig.now))


def put_a_batch_of_many_inputs(amount: int) -> int:
    rig = Rig()
    rig.submit("job", None)
    batch = make_opaque_batch(amount)
    return count_operations(lambda: rig.queue.intake.put("job", 0, batch, rig.now))


def put_after_many_batches(amount: int) -> int:
    rig = Rig()
    rig.submit("job", None)
    for start in range(amount):
        rig.put("job", start, [b"input"])
    batch = make_opaque_batch(1)
    return count_operations(lambda: rig.queue.intake.put("job", amount, batch, rig.now))


def look_at_a_job_of_many_runs(amount: int) -> int:
    rig = make_rig()
    job = rig.queue.state.jobs["job"]
    for index in range(0, 2 * amount, 2):
        job.done.add(index, index + 1)
        job.again.add(index + 1, index + 2, 1)
    return count_operations(lambda: rig.queue.intake.status("job", rig.now))


def beat_among_many_workers(amount: int) -> int:
    rig = make_rig(workers=amount)
    return count_operations(lambda: rig.beat("w0"))


def cut_a_batch_that_is_whole(amount: int) -> int:
    batch = make_unopened_batch(amount)
    return count_operations(lambda: slice_batch(batch, 0, amount))


def join_many_values(amount: int) -> int:
    values = [b"value"] * amount
    return count_operations(lambda: pack_batch(values))


def pack_a_list_of_many_numbers(amount: int) -> int:
    numbers = list(range(amount))
    return count_operations(lambda: pack_value(numbers, "numbers"))


def unpack_a_list_of_many_numbers(amount: int) -> int:
    frame = pack_value(list(range(amount)), "numbers")
    return count_operations(lambda: unpack_value(frame, cast("Any", None)))


def pack_a_long_text(amount: int) -> int:
    text = "headrace" * amount
    return count_operations(lambda: pack_value(text, "text"))


def send_a_piece_of_many_tasks_to_a_slot(amount: int) -> int:
    with ExitStack() as stack:
        slot = make_slot(stack)
        batch = make_pool_batch(MUCH)
        backlog = Backlog()
        span = Span(batch, 0, MUCH)
        backlog.append(span)
        return count_operations(lambda: slot.send(backlog.take(amount, span)))


def weigh_a_slot_that_holds_many_tasks(amount: int) -> int:
    with ExitStack() as stack:
        slot = make_slot(stack)
        slot.send(Span(make_pool_batch(amount), 0, amount))
        return count_operations(lambda: slot.weigh({"job": 0.001}.get))


CASES: tuple[Callable[[int], int], ...] = (
    lease_a_run_of_many_tasks,
    lease_beside_many_jobs,
    lease_among_many_jobs,
    submit_among_many_jobs,
    lease_among_many_workers,
    lease_of_a_job_with_many_retries,
    report_a_run_of_many_tasks,
    report_with_many_leases_out,
    report_with_many_gaps_between_what_is_done,
    put_a_batch_of_many_inputs,
    put_after_many_batches,
    look_at_a_job_of_many_runs,
    beat_among_many_workers,
    cut_a_batch_that_is_whole,
    join_many_values,
    pack_a_list_of_many_numbers,
    unpack_a_list_of_many_numbers,
    pack_a_long_text,
    send_a_piece_of_many_tasks_to_a_slot,
    weigh_a_slot_that_holds_many_tasks,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_costs_the_same(case: Callable[[int], int]) -> None:
    case(LITTLE)  # what is made at the first use is not what is compared
    little, much = case(LITTLE), case(MUCH)
    assert 0 < much <= SLACK * little + BRANCHES, f"{much} operations instead of {little}"
