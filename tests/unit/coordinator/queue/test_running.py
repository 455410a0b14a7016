"""What slots run: as workers say, as far as they hold it, and as long as it is asked for."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from headrace_coordinator.queue.members import show_id
from headrace_coordinator.queue.running import find_worker, list_running, list_running_at
from headrace_wire.errors import UnknownJobError, UnknownWorkerError, UsageError
from headrace_wire.messages.workers import RunningTask
from support.queue_builders import Rig, make_worker


def make_told(index: int, seconds: float = 1.0, job: str = "job") -> RunningTask:
    return RunningTask(job, index, 1, "", 3, seconds, 1000)


def test_running_tasks_are_told_with_their_worker_the_longest_first(rig: Rig) -> None:
    rig.join("a")
    rig.join("b")
    rig.submit(tasks=4)
    (first,), (second,) = rig.lease("a"), rig.lease("b")
    assert (first.start, second.start) == (0, 2)
    rig.beat("a", (first.id,), running=(make_told(0, 5.0), make_told(1, 7.0)))
    rig.beat("b", (second.id,), running=(make_told(2, 6.0),))
    rig.seconds += 0.5
    found = list_running(rig.queue.state, "job", rig.now)
    assert [(one.index, one.worker, one.seconds) for one in found] == [
        (1, "a", 7.5), (2, "b", 6.5), (0, "a", 5.5),
    ]  # fmt: skip
    at = list_running_at(rig.queue.state, rig.queue.state.members["a"], rig.now)
    assert [one.index for one in at] == [1, 0]


def test_what_a_worker_does_not_hold_is_not_believed(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=2)
    rig.submit("other", tasks=2)
    (lease,) = rig.lease()
    told = (make_told(0), make_told(5), make_told(0, job="other"), make_told(0, job="unknown"))
    rig.beat(leases=(lease.id,), running=told)
    member = rig.queue.state.members["w"]
    running = list_running_at(rig.queue.state, member, rig.now)
    assert [(one.job, one.index) for one in running] == [("job", 0)]
    rig.finish(lease)
    assert list_running(rig.queue.state, "job", rig.now) == []


def test_what_runs_of_others_jobs_is_left_out_for_a_key(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1)
    (lease,) = rig.lease()
    rig.queue.state.jobs["job"].submitted_by = "alice"
    rig.beat(leases=(lease.id,), running=(make_told(0),))
    member = rig.queue.state.members["w"]
    assert list_running_at(rig.queue.state, member, rig.now, "bob") == []
    assert len(list_running_at(rig.queue.state, member, rig.now, "alice")) == 1


def test_a_job_that_is_unknown_is_no_job(rig: Rig) -> None:
    with pytest.raises(UnknownJobError):
        list_running(rig.queue.state, "job", rig.now)


def test_a_worker_is_found_by_id_or_by_a_name_that_it_has_alone(rig: Rig) -> None:
    for worker, name in (("1", "a"), ("2", "b"), ("3", "b"), ("4", show_id("1"))):
        info = make_worker(worker)
        info = type(info)(worker, name, *(getattr(info, f) for f in info.__struct_fields__[2:]))
        rig.queue.leasing.register(info, (), rig.now)
    state = rig.queue.state
    assert find_worker(state, "a").info.id == "1"
    assert find_worker(state, show_id("1")).info.id == "1", "an id goes before a name"
    with pytest.raises(UsageError, match=f"2 workers are called 'b'.*{show_id('2')}"):
        find_worker(state, "b")
    with pytest.raises(UnknownWorkerError, match="there is no worker 'c'"):
        find_worker(state, "c")


def test_how_a_worker_does_is_in_its_status(rig: Rig) -> None:
    rig.join()
    rig.beat(cpu_percent=150.0)
    (status,) = rig.queue.leasing.statuses(rig.now)
    assert status.cpu_percent == 150.0
    assert (status.cores, status.memory_limit_bytes, status.engine) == (2.0, 0, "pool")


def test_the_id_by_which_a_worker_speaks_is_shown_to_nobody(rig: Rig) -> None:
    rig.queue.leasing.register(replace(make_worker("secret"), name="name"), (), rig.now)
    (status,) = rig.queue.leasing.statuses(rig.now)
    assert status.id == show_id("secret") != "secret"
    assert find_worker(rig.queue.state, status.id).info.id == "secret"
    with pytest.raises(UnknownWorkerError):
        find_worker(rig.queue.state, "secret")
    assert rig.queue.leasing.drain(status.id, rig.now).draining
