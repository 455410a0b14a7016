"""How much the coordinator keeps for jobs, and what happens when that is too much."""

from __future__ import annotations

import re
from math import inf

import pytest

from headrace_coordinator.queue.events import WorkAppeared, WorkHeld
from headrace_coordinator.queue.rules import Rules
from headrace_wire.batch import pack_batch
from headrace_wire.bounds import MAX_PARAMETER_BYTES
from headrace_wire.encoding import pack
from headrace_wire.errors import BoundsError, JobStateError, SpoolFullError
from headrace_wire.message import decode, dump
from headrace_wire.messages.jobs import DATA_SERVICE, KEEP, JobSpec
from headrace_wire.messages.reports import DoneSpan
from headrace_wire.messages.spans import Span
from support.queue_builders import Rig, make_spec
from support.queue_invariants import check_invariants
from support.spool_work import finish, work


@pytest.fixture
def rig() -> Rig:
    made = Rig(Rules(spool_limit_bytes=100))
    made.join()
    return made


def test_a_full_spool_takes_no_more_inputs_until_tasks_are_done(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(60)])
    rig.put("job", 1, [bytes(60)])
    with pytest.raises(SpoolFullError, match="of 100 bytes"):
        rig.put("job", 2, [bytes(60)])
    (lease,) = rig.lease(slots=1)
    rig.finish(lease)
    assert rig.put("job", 2, [bytes(60)]) == 3
    check_invariants(rig.queue.state)


def test_a_repeated_put_is_answered_though_the_spool_is_full(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(200)])
    assert rig.put("job", 0, [bytes(200)]) == 1


def test_a_full_spool_takes_no_new_job_but_knows_the_old_ones(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(200)])
    with pytest.raises(SpoolFullError):
        rig.submit("other", tasks=5)
    rig.submit(tasks=None)


def test_acknowledging_and_deleting_make_room(rig: Rig) -> None:
    rig.submit(tasks=20)
    rig.run_to_end()
    assert rig.queue.state.spool_bytes > 20
    rig.queue.intake.acknowledge("job")
    assert rig.queue.state.spool_bytes == 0
    rig.submit("other", tasks=None)
    rig.put("other", 0, [bytes(200)])
    rig.queue.intake.delete("other")
    assert rig.queue.state.spool_bytes == 0


def test_a_job_whose_own_results_fill_the_spool_is_told_so(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [b"x"] * 60)
    rig.run_to_end()
    with pytest.raises(JobStateError, match=r"fill the coordinator's spool .*--spool-limit"):
        rig.put("job", 60, [b"x"])


def work_once(rig: Rig, size: int) -> None:
    for lease in rig.lease(slots=1):
        finish(rig, lease, size)


def test_leasing_stops_before_results_pass_the_limit(rig: Rig) -> None:
    rig.submit("first", tasks=100)
    rig.submit("second", tasks=100)
    work(rig, 10)
    assert 60 < rig.queue.state.spool_bytes <= 100
    waiting = rig.status("first").waiting_for
    assert re.match(r"the coordinator's spool is full \(\d+ of 100 bytes\)", waiting)


def test_what_is_leased_counts_by_what_it_will_take(rig: Rig) -> None:
    rig.submit(tasks=100)
    (first,) = rig.lease(slots=1)
    finish(rig, first, 17)
    out = []
    while leases := rig.lease(slots=1):
        out += leases
    assert sum(lease.held.count for lease in out) == 4, "each may take 20 of the 80 bytes left"
    assert "and 80 expected from what runs" in rig.queue.spool.explain()
    for lease in out:
        finish(rig, lease, 17)
    assert rig.queue.state.spool_bytes <= 100
    assert not rig.lease()


def test_what_was_leased_is_taken_in_however_full_the_spool_is(rig: Rig) -> None:
    rig.submit(tasks=100)
    leases = rig.lease()
    for lease in leases:
        finish(rig, lease, 500)
    assert rig.queue.state.spool_bytes > 100
    assert not rig.lease()


@pytest.mark.parametrize("how", ["acknowledge", "deliver", "delete"])
def test_workers_are_told_when_there_is_room_again(rig: Rig, how: str) -> None:
    rig.submit("full", tasks=2, owned=True)
    rig.submit("waits", tasks=5)
    for lease in [lease for lease in rig.lease(slots=2) if lease.job == "full"]:
        finish(rig, lease, 60)
    while [lease for lease in rig.lease() if lease.job == "full"]:
        pass
    assert not rig.lease()
    assert rig.queue.state.held
    rig.queue.state.drain_events()
    job = rig.queue.state.find("full")
    if how == "deliver":
        spans = [Span(start, stop) for start, (stop, _) in job.undelivered.items()]
        rig.queue.intake.deliver("full", spans, rig.now)
    elif how == "delete":
        rig.queue.intake.delete("full")
    else:
        rig.queue.intake.cancel("full", rig.now)
        rig.queue.intake.acknowledge("full")
    assert WorkAppeared() in rig.queue.state.drain_events()
    assert rig.lease()


def test_tasks_that_make_room_are_leased_however_full_the_spool_is(rig: Rig) -> None:
    rig.submit(tasks=None)
    for index in range(2):
        rig.put("job", index, [bytes(60)])
    rig.put("job", 0, [bytes(60)])  # a repeated one
    work(rig, 1)
    assert rig.status().done == 2
    assert rig.queue.state.spool_bytes < 10


def test_inputs_that_fill_the_spool_are_worked_off_one_by_one(rig: Rig) -> None:
    """However large their values are: nothing else would ever make room."""
    rig.submit(tasks=None, owned=True)
    rig.put("job", 0, [b"x"] * 60)
    for _ in range(3):
        (lease,) = rig.lease()
        assert lease.stop - lease.start == 1
        finish(rig, lease, 500)
        assert not rig.lease()
        job = rig.queue.state.find("job")
        spans = [Span(start, stop) for start, (stop, _) in job.undelivered.items()]
        rig.queue.intake.deliver("job", spans, rig.now)


def test_a_job_that_can_neither_go_on_nor_be_put_is_told_so(rig: Rig) -> None:
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(5), bytes(5)])
    (lease,) = rig.lease(slots=1)
    finish(rig, lease, 50)
    rig.put("job", 2, [bytes(40)])
    assert not rig.lease()
    with pytest.raises(JobStateError, match=r"fill the coordinator's spool .*--spool-limit"):
        rig.put("job", 3, [bytes(5)])


def test_a_failed_or_lost_task_makes_room_for_others(rig: Rig) -> None:
    rig.submit(tasks=10)
    (first,) = rig.lease(slots=1)
    finish(rig, first, 40)
    (second,) = rig.lease(slots=1)
    assert not rig.lease()
    rig.fail(second, second.start)
    check_invariants(rig.queue.state)
    (third,) = rig.lease(slots=1)
    rig.queue.leasing.leave("w", rig.now)
    check_invariants(rig.queue.state)
    rig.join()
    assert rig.lease()
    assert third.start != second.start


def test_a_full_disk_holds_leasing_as_the_limit_does(rig: Rig) -> None:
    rig.queue.spool.note_disk(50)
    rig.submit(tasks=100)
    (first,) = rig.lease(slots=1)
    finish(rig, first, 20)
    rig.queue.spool.note_disk(10)
    assert not rig.lease()
    assert "the coordinator's disk is full" in rig.status().waiting_for
    rig.queue.spool.note_disk(inf)
    assert rig.lease()


def deliver(rig: Rig, name: str = "job") -> None:
    """Let the client of an owned job have all values that are there."""
    kept = rig.queue.state.find(name).undelivered
    spans = [Span(start, stop) for start, (stop, _) in kept.items()]
    rig.queue.intake.deliver(name, spans, rig.now)


def test_a_stream_leaves_room_for_its_results_as_long_as_tasks_may_run(rig: Rig) -> None:
    rig.submit(tasks=None, owned=True)
    rig.put("job", 0, [bytes(30)])
    rig.put("job", 1, [bytes(30)])
    with pytest.raises(SpoolFullError, match="when some tasks are done"):
        rig.put("job", 2, [bytes(30)])
    (lease,) = rig.lease(slots=1)
    finish(rig, lease, 20)
    assert rig.put("job", 2, [bytes(30)]) == 3
    work(rig, 20)
    assert rig.put("job", 3, [bytes(30)]) == 4, "results are for the client to fetch"


def test_data_of_a_stream_are_no_reason_for_its_calls_to_wait(rig: Rig) -> None:
    rig.submit("data", tasks=None, service=DATA_SERVICE, operation=KEEP, owned=True)
    rig.put("data", 0, [bytes(70)])
    rig.submit(tasks=None, owned=True)
    assert rig.put("job", 0, [bytes(10)]) == 1


@pytest.mark.parametrize(("owned", "size"), [(True, 5_000_000), (False, 2_000_000)])
def test_inputs_leave_room_for_values_on_the_disk(*, owned: bool, size: int) -> None:
    """The value is written before the input is removed."""
    rig = Rig(Rules(spool_limit_bytes=20_000_000))
    rig.join()
    spool = rig.queue.spool

    def look_at_disk() -> None:
        spool.note_disk(21_500_000 - rig.queue.state.spool_bytes)

    look_at_disk()
    rig.submit(tasks=None, owned=owned)
    done = put = 0
    for _ in range(20):
        while put < 6:
            try:
                put = rig.put("job", put, [bytes(5_000_000)])
            except SpoolFullError:
                break
        for lease in rig.lease():
            for index in range(lease.start, lease.stop):
                assert spool.disk_bytes >= size
                values = pack_batch([bytes(size)])
                run = DoneSpan(lease.id, "job", index, index + 1, values, 0.1, 0.1)
                done += rig.report("w", done=(run,)).accepted
            if owned:
                deliver(rig)
            look_at_disk()
    assert done == 6


def test_values_have_to_fit_on_the_disk_together_with_their_inputs() -> None:
    rig = Rig(Rules(spool_limit_bytes=100_000_000))
    rig.join(slots=8)
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(1_000_000)] * 20)
    rig.queue.spool.note_disk(10_000_000)
    (first,) = rig.lease(slots=1)
    finish(rig, first, 1_000_000)
    rig.queue.spool.note_disk(9_000_000)
    out = 0
    while rig.lease(slots=8):
        out = sum(lease.held.count for lease in rig.queue.state.leases.values())
    assert 6 <= out <= 9


def test_values_may_be_as_large_on_the_disk_as_the_largest_so_far() -> None:
    rig = Rig(Rules(spool_limit_bytes=1000))
    rig.join()
    rig.submit(tasks=100)
    for size in (40, 5, 5, 5, 5):
        work_once(rig, size)
    rig.queue.spool.note_disk(100)
    rig.lease(slots=8)
    assert sum(lease.held.count for lease in rig.queue.state.leases.values()) == 2


def test_nobody_is_told_to_make_room_on_the_disk_before_what_was_dropped_is_removed() -> None:
    rig = Rig(Rules(spool_limit_bytes=1000))
    rig.join()
    rig.submit("other", tasks=1)
    work(rig, 30)
    rig.submit(tasks=100, owned=True)
    rig.queue.spool.note_disk(50)
    (lease,) = rig.lease(slots=1)
    finish(rig, lease, 30)
    deliver(rig)
    assert not rig.lease()
    assert (rig.status().waiting_for, rig.queue.spool.held_because) == ("", "")
    rig.queue.state.drain_events()
    for _ in range(5):
        rig.queue.spool.note_disk(20)
    assert "the coordinator's disk is full" in rig.status().waiting_for
    assert WorkHeld("job", "") in rig.queue.state.drain_events(), "for calls that wait"
    assert "the coordinator's disk is full" in rig.queue.spool.held_because


def test_small_values_are_taken_in_however_full_the_disk_is(rig: Rig) -> None:
    rig.submit("kept", tasks=1)
    work(rig, 20)
    rig.queue.spool.note_disk(0)
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(20)])
    rig.queue.state.find("job").learn_bytes(1, 5)
    assert rig.lease()


def test_inputs_of_done_tasks_do_not_count_when_others_that_came_with_them_wait(rig: Rig) -> None:
    """The last of them frees what all of them took."""
    rig.submit("kept", tasks=1)
    (lease,) = rig.lease(slots=1)
    finish(rig, lease, 3)
    rig.submit(tasks=None)
    rig.put("job", 0, [bytes(5)] * 10)
    done = 0
    while leases := rig.lease(slots=1):
        for lease in leases:
            finish(rig, lease, 6)
            done += lease.stop - lease.start
    assert done == 10
    assert rig.queue.state.spool_bytes <= 100


def test_parameters_stay_in_memory_and_are_small() -> None:
    spec = make_spec(parameters=bytes(MAX_PARAMETER_BYTES + 1))
    with pytest.raises(BoundsError, match="carry what is larger in the inputs"):
        decode(JobSpec, pack(dump(spec)))
