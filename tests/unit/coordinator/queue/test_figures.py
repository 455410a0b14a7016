"""The queue in a few numbers, and how long what waits will take."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from headrace_coordinator.queue.figures import measure
from headrace_coordinator.queue.schedule import UNKNOWN_TASK_SECONDS
from support.queue_builders import Rig


def test_an_empty_cluster_is_all_zeros(rig: Rig) -> None:
    found = measure(rig.queue.state)
    assert found.jobs == {
        "queued": 0, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    assert (found.workers, found.slots, found.waiting, found.backlog_seconds) == (0, 0, 0, 0.0)


def test_tasks_and_jobs_are_counted_by_state_and_data_is_none(rig: Rig) -> None:
    rig.join("a", slots=2)
    rig.join("b", slots=3)
    rig.submit("runs", tasks=6, retries=2)
    (lease,) = rig.lease("a")
    rig.fail(lease, lease.start)
    rig.submit("waits", tasks=4)
    rig.submit("ended")
    rig.queue.intake.cancel("ended", rig.now)
    rig.submit("kept", tasks=None, service="data", operation="keep")
    rig.beat("a", (lease.id,), draining=True)
    found = measure(rig.queue.state)
    assert (found.workers, found.draining, found.slots) == (2, 1, 5)
    assert (found.waiting, found.leased, found.retrying) == (4 + 4, 1, 1)
    assert {state: count for state, count in found.jobs.items() if count} == {
        "running": 1, "queued": 1, "cancelled": 1,
    }  # fmt: skip


def test_the_backlog_is_what_waits_or_runs_divided_by_the_slots_that_take_work(rig: Rig) -> None:
    rig.join("w", slots=2)
    rig.submit(tasks=10)
    (lease,) = rig.lease()
    rig.finish(lease, seconds=3.0)
    leases = rig.lease()
    left = 10 - rig.status().done
    assert measure(rig.queue.state).backlog_seconds == pytest.approx(left * 3.0 / 2)
    rig.join("other", slots=2)
    assert measure(rig.queue.state).backlog_seconds == pytest.approx(left * 3.0 / 4)
    rig.beat("w", tuple(lease.id for lease in leases), draining=True)
    assert measure(rig.queue.state).backlog_seconds == pytest.approx(left * 3.0 / 2)


def test_without_slots_the_backlog_is_what_one_would_take(rig: Rig) -> None:
    rig.submit(tasks=10)
    assert measure(rig.queue.state).backlog_seconds == pytest.approx(10 * UNKNOWN_TASK_SECONDS)


def test_what_no_connected_worker_can_do_is_no_backlog(rig: Rig) -> None:
    rig.submit("primes", tasks=10, service="primes")
    rig.submit("images", tasks=7, service="images")
    assert measure(rig.queue.state).backlog_tasks == 17, "nobody has told what workers can do"
    rig.join("p", slots=1, services=("primes",))
    found = measure(rig.queue.state)
    assert found.backlog_tasks == 10
    assert found.backlog_seconds == pytest.approx(10 * UNKNOWN_TASK_SECONDS)
    assert (found.waiting, len(found.backlogs)) == (17, 2)
    rig.join("i", slots=1, services=("images",))
    assert measure(rig.queue.state).backlog_tasks == 17
    rig.beat("i", draining=True)
    assert measure(rig.queue.state).backlog_tasks == 17, "others such as it will come"
    rig.queue.leasing.leave("i", rig.now)
    assert measure(rig.queue.state).backlog_tasks == 10


def test_tasks_with_a_time_limit_that_no_engine_keeps_are_no_backlog(rig: Rig) -> None:
    rig.submit("free", tasks=10)
    rig.submit("limited", tasks=7, timeout_seconds=5.0)
    rig.join("dask")
    member = rig.queue.state.members["dask"]
    member.info = replace(member.info, engine="dask")
    assert measure(rig.queue.state).backlog_tasks == 10
    rig.join("own")
    assert measure(rig.queue.state).backlog_tasks == 17


def test_unknown_tasks_are_taken_to_last_as_long_as_those_of_all_jobs(rig: Rig) -> None:
    rig.join(slots=1)
    rig.submit("known", tasks=2)
    (lease,) = rig.lease(slots=1)
    rig.finish(lease, seconds=8.0)
    rig.submit("unknown", tasks=5)
    assert measure(rig.queue.state).backlog_seconds == pytest.approx(8.0 + 5 * 8.0)


def test_a_job_from_before_a_restart_is_known_by_what_it_took_so_far(rig: Rig) -> None:
    rig.join(slots=1)
    rig.submit(tasks=3)
    rig.finish(rig.lease(slots=1)[0], seconds=2.0)
    rig.queue.state.jobs["job"].mean_seconds = None  # it is not stored
    assert measure(rig.queue.state).backlog_seconds == pytest.approx(2 * 2.0)


def test_what_has_ended_is_no_backlog(rig: Rig) -> None:
    rig.join()
    rig.submit(tasks=1)
    rig.finish(rig.lease()[0], seconds=2.0)
    assert measure(rig.queue.state).backlog_seconds == 0.0


def test_the_backlog_is_told_by_what_its_tasks_need_of_a_worker(rig: Rig) -> None:
    rig.join("w", slots=2)
    rig.submit("plain", tasks=10, service="primes")
    rig.submit("limited", tasks=3, service="primes", timeout_seconds=5.0)
    rig.submit("more", tasks=5, service="primes")
    rig.submit("ended", service="primes")
    rig.queue.intake.cancel("ended", rig.now)
    parts = measure(rig.queue.state).backlogs
    assert {need: part.tasks for need, part in parts.items()} == {
        ("primes", False): 15, ("primes", True): 3,
    }  # fmt: skip
    assert parts["primes", True].seconds == pytest.approx(3 * UNKNOWN_TASK_SECONDS)
