"""Jobs that keep data for others: nobody runs them, and they are not seen to wait."""

from __future__ import annotations

import pytest

from headrace_coordinator.monitoring.queue_metrics import show_jobs
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.jobs import DATA_SERVICE, KEEP_FOR
from support.queue_builders import Rig, at


def list_ids(rig: Rig, *, data: bool = False) -> list[str]:
    return [status.id for status in rig.queue.intake.list_jobs(1e300, 100, rig.now, data=data)]


def keep_data(rig: Rig) -> None:
    rig.submit("job", tasks=3)
    rig.submit("kept", tasks=None, service=DATA_SERVICE, operation="keep", owned=True)
    rig.put("kept", 0, [b"data"])


def test_they_are_listed_only_if_they_are_asked_for() -> None:
    rig = Rig()
    keep_data(rig)
    assert list_ids(rig) == ["job"]
    assert list_ids(rig, data=True) == ["kept", "job"]
    assert rig.status("kept").waiting_for == "it keeps data for other jobs"


def test_they_count_neither_as_jobs_nor_as_tasks_that_wait() -> None:
    rig = Rig()
    keep_data(rig)
    rig.seconds = 100.0
    shown = {
        family.name: {tuple(one.labels.values()): one.value for one in family.samples}
        for family in show_jobs(rig.queue, rig.now)
    }
    assert {state for state, jobs in shown["headrace_jobs"].items() if jobs} == {("queued",)}
    assert shown["headrace_jobs"]["queued",] == 1
    assert shown["headrace_queue_depth"] == {("primes",): 3}
    assert set(shown["headrace_oldest_waiting_seconds"]) == {("primes",)}
    assert len(rig.queue.state.jobs) - rig.queue.state.data_jobs == 1


def test_they_are_forgotten_as_any_other() -> None:
    rig = Rig()
    keep_data(rig)
    rig.queue.intake.delete("kept")
    assert rig.queue.state.data_jobs == 0
    assert list_ids(rig, data=True) == ["job"]


def keep_for_a_job(rig: Rig) -> None:
    rig.submit("job", tasks=None)
    rig.submit("kept", tasks=None, service=DATA_SERVICE, operation=f"{KEEP_FOR}job")
    rig.put("kept", 0, [b"data"])


def test_what_one_job_needs_is_kept_as_long_as_that_job() -> None:
    rig = Rig()
    keep_for_a_job(rig)
    rig.queue.intake.seal("kept", 1, rig.now)
    rig.queue.intake.seal("job", 0, rig.now)
    rig.queue.intake.expire(at(1000.0))
    assert list_ids(rig, data=True) == ["kept", "job"]
    rig.queue.intake.delete("job")
    assert list_ids(rig, data=True) == []
    assert rig.queue.state.data_jobs == 0
    assert rig.queue.state.spool_bytes == 0


def test_it_goes_too_when_that_job_is_given_up_or_expires() -> None:
    for seconds, sealed in ((130.0, False), (1e9, True)):
        rig = Rig()
        keep_for_a_job(rig)
        if sealed:
            rig.queue.intake.seal("kept", 1, rig.now)
            rig.queue.intake.seal("job", 0, rig.now)
        rig.queue.intake.expire(at(seconds))
        assert list_ids(rig, data=True) == []


def test_a_job_is_not_given_up_while_its_data_arrives() -> None:
    rig = Rig()
    keep_for_a_job(rig)
    rig.seconds = 100.0
    rig.put("kept", 1, [b"more"])
    rig.queue.intake.expire(at(150.0))
    assert list_ids(rig) == ["job"]
    rig.seconds = 200.0
    rig.submit("more", tasks=None, service=DATA_SERVICE, operation=f"{KEEP_FOR}job")
    rig.queue.intake.expire(at(300.0))
    assert list_ids(rig) == ["job"]


def test_data_may_be_deleted_before_the_job_that_it_is_for() -> None:
    rig = Rig()
    keep_for_a_job(rig)
    rig.queue.intake.delete("kept")
    rig.queue.intake.delete("job")
    assert list_ids(rig, data=True) == []


def test_data_for_a_job_that_is_not_there_is_refused() -> None:
    rig = Rig()
    with pytest.raises(UnknownJobError, match="'job'"):
        rig.submit("kept", tasks=None, service=DATA_SERVICE, operation=f"{KEEP_FOR}job")


def test_what_belongs_together_is_known_after_a_restart() -> None:
    rig = Rig()
    keep_for_a_job(rig)
    again = Rig()
    for job in rig.queue.state.jobs.values():
        job.data.clear()
        again.queue.restore(job, (), again.now)
    again.queue.intake.delete("job")
    assert list_ids(again, data=True) == []
