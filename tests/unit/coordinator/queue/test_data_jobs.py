"""Jobs that keep data for others: nobody runs them, and they are not seen to wait."""

from __future__ import annotations

from headrace_coordinator.monitoring.queue_metrics import _show_jobs  # pyright: ignore[reportPrivateUsage] # what a scrape shows of a queue
from headrace_wire.messages import DATA_SERVICE
from support.queue_builders import Rig


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
        for family in _show_jobs(rig.queue, rig.now)
    }
    assert shown["headrace_jobs"] == {("queued",): 1}
    assert shown["headrace_queue_depth"] == {("primes",): 3}
    assert set(shown["headrace_oldest_waiting_seconds"]) == {("primes",)}
    assert len(rig.queue.state.jobs) - rig.queue.state.data_jobs == 1


def test_they_are_forgotten_as_any_other() -> None:
    rig = Rig()
    keep_data(rig)
    rig.queue.intake.delete("kept")
    assert rig.queue.state.data_jobs == 0
    assert list_ids(rig, data=True) == ["job"]
