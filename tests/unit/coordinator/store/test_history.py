"""What is left of jobs that have expired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from math import inf
from pathlib import Path
from typing import Any

import pytest

from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store import history
from headrace_coordinator.store.store import Store
from headrace_wire.messages.failures import TaskFailure
from headrace_wire.messages.jobs import CANCELLED, FAILED, SUCCEEDED, JobFilter
from support.queue_builders import make_spec
from support.stored_rig import StoredRig

TTL = 100.0


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[StoredRig]:
    made = StoredRig(tmp_path / "store", rules=Rules(result_ttl_seconds=TTL))
    made.join()
    yield made
    made.store.close()


def end(rig: StoredRig, job: str, by: str = "", **fields: Any) -> None:
    """Let a job be submitted and cancelled."""
    rig.queue.intake.submit(make_spec(job, **fields), rig.now, by)
    rig.queue.intake.cancel(job, rig.now)


def expire(rig: StoredRig) -> None:
    """Let all jobs expire that have ended."""
    rig.seconds += TTL
    for member in rig.queue.state.members.values():
        member.heard = rig.seconds
    rig.queue.tick(rig.now)
    rig.write()


def choose(store: Store, by: str | None = None, before: float = inf, **chosen: Any) -> list[str]:
    wanted = JobFilter(**chosen)
    found = store.history.list_jobs(wanted, before, 500, by)
    if not wanted.limit and before == inf:
        assert store.history.count_jobs(wanted, by) == len(found)
    return [status.id for status in found]


def test_a_job_that_has_expired_leaves_how_it_was_at_its_end(rig: StoredRig) -> None:
    rig.submit(tasks=2, parameters=bytes(1000), name="nightly")
    (lease,) = rig.lease(slots=1)
    rig.finish(lease, 0, 1, seconds=0.5)
    (lease,) = rig.lease(slots=1)
    failure = TaskFailure(
        lease.id, "job", 1, 1, "error", "", "KeyError", "m" * 5000, "t" * 9000 + "end", "input",
    )  # fmt: skip
    rig.report("w", failures=(failure,))
    before = rig.status()
    assert before.state == FAILED
    rig.write()
    expire(rig)
    assert not rig.queue.state.jobs
    past = rig.store.history.find("job")
    assert past
    status = past.status
    assert (status.expired, status.results_kept, status.parameters) == (True, False, b"")
    for name in ("state", "name", "tasks", "done", "failed", "number", "busy_seconds",
                 "submitted_at", "finished_at", "wall_seconds"):  # fmt: skip
        assert getattr(status, name) == getattr(before, name)
    assert sum(past.times.counts) == 1
    (group,) = past.failures.groups
    assert (group.count, group.first, group.error_type) == (1, 1, "KeyError")
    assert (len(group.message), len(group.traceback)) == (1000, 4000)
    assert group.traceback.endswith("end")
    with closing(Store(rig.path)) as again:
        assert again.load() == []
        assert again.history.find("job") == past
        assert again.history.find("other") is None


def test_a_job_that_was_deleted_or_abandoned_leaves_nothing(rig: StoredRig) -> None:
    end(rig, "deleted")
    rig.queue.intake.delete("deleted")
    end(rig, "of-a-pool", owned=True)
    rig.submit("data", tasks=None, service="data", operation="keep")
    rig.seconds += 2 * TTL
    expire(rig)
    assert not rig.queue.state.jobs
    assert choose(rig.store) == []


def test_the_summary_of_a_job_can_be_deleted(rig: StoredRig) -> None:
    end(rig, "job")
    expire(rig)
    rig.queue.intake.drop_summary("job")
    rig.write()
    assert choose(rig.store) == []
    assert rig.store.history.find("job") is None


def test_past_jobs_are_chosen_as_others_are(rig: StoredRig) -> None:
    end(rig, "first", "ada", name="Nightly")
    rig.seconds += 10  # the rig's wall clock goes the other way
    end(rig, "second", "bob", function="shop:price")
    rig.submit("third", tasks=0)
    rig.write()
    expire(rig)
    assert choose(rig.store) == ["third", "second", "first"]
    assert choose(rig.store, limit=1) == ["third"]
    assert choose(rig.store, states=(CANCELLED,)) == ["second", "first"]
    assert choose(rig.store, states=(SUCCEEDED, FAILED)) == ["third"]
    assert choose(rig.store, service="primes") == ["third", "second", "first"]
    assert choose(rig.store, service="images") == []
    assert choose(rig.store, text="NIGHT") == ["first"]
    assert choose(rig.store, text="%") == [], "no pattern"
    assert choose(rig.store, submitted_by="bob") == ["second"]
    assert choose(rig.store, by="ada") == ["first"]
    assert choose(rig.store, by="ada", submitted_by="bob") == []
    past = rig.store.history.find("second")
    assert past
    times = {job: found.status.submitted_at for job in ("first", "second", "third")
             if (found := rig.store.history.find(job))}  # fmt: skip
    late = [job for job in ("third", "second", "first") if times[job] >= times["second"]]
    assert choose(rig.store, since=times["second"]) == late
    assert choose(rig.store, before=past.status.number) == ["first"]
    assert rig.store.history.match("s", None, 5) == ["second"]
    assert rig.store.history.match("s", "ada", 5) == []


def test_what_is_too_old_is_removed(rig: StoredRig) -> None:
    end(rig, "old")
    expire(rig)
    rig.seconds += 1000
    end(rig, "new")
    expire(rig)
    assert not rig.store.sweep(rig.seconds)
    assert choose(rig.store) == ["new", "old"] or choose(rig.store) == ["old", "new"]
    rig.store.close()
    with closing(Store(rig.path, history_seconds=TTL + 500)) as again:
        assert not again.sweep(rig.seconds)
        assert choose(again) == ["new"]
    with closing(Store(rig.path, history_seconds=0)) as again:
        again.sweep(rig.seconds)
        assert choose(again) == []


def test_without_a_history_nothing_is_kept(tmp_path: Path) -> None:
    made = StoredRig(tmp_path / "store", rules=Rules(result_ttl_seconds=TTL))
    made.store.close()
    with closing(Store(made.path, history_seconds=0)) as made.store:
        end(made, "job")
        expire(made)
        assert choose(made.store) == []


def test_there_are_no_more_than_there_is_room_for(
    rig: StoredRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_PAST_JOBS", 3)
    for number in range(5):
        end(rig, f"job-{number}")
    expire(rig)
    rig.store.sweep(rig.seconds)
    assert choose(rig.store) == ["job-4", "job-3", "job-2"]


def test_an_id_that_is_used_again_is_in_it_once(rig: StoredRig) -> None:
    for name in ("first", "second"):
        end(rig, "job", name=name)
        rig.write()
        expire(rig)
        rig.seconds -= 10 * TTL
    past = rig.store.history.find("job")
    assert past
    assert past.status.name == "second"
    assert choose(rig.store) == ["job"]


def test_the_times_of_tasks_are_known_after_a_restart(rig: StoredRig) -> None:
    rig.submit(tasks=3)
    (lease,) = rig.lease(slots=1)
    rig.finish(lease, 0, 1, seconds=0.5)
    rig.write()
    times = rig.queue.state.jobs["job"].times
    with closing(Store(rig.path)) as again:
        ((job, _),) = again.load()
        assert job.times == times
        assert sum(job.times.counts) == 1
