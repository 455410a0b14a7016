"""What tasks say of themselves, as the queue takes it in: counters, log lines, progress."""

from __future__ import annotations

import logging

import pytest

from headrace_coordinator.monitoring.metrics import CoordinatorMetrics
from headrace_coordinator.monitoring.series import MAX_SERIES
from headrace_coordinator.queue import job_log, state
from headrace_coordinator.queue.events import Counted, CountersRefused, LinesLogged
from headrace_coordinator.queue.held_lease import HeldLease
from headrace_coordinator.queue.job_log import LogPart
from headrace_wire.batch import pack_batch
from headrace_wire.bounds import MAX_COUNTERS
from headrace_wire.encoding import pack
from headrace_wire.errors import UnknownJobError
from headrace_wire.message import decode_trusted
from headrace_wire.messages.jobs import SUCCEEDED
from headrace_wire.messages.logs import JobLines, LogLine
from headrace_wire.messages.reports import DoneSpan, Receipt, Report
from headrace_wire.messages.workers import Heartbeat, RunningTask, TaskProgress
from support.queue_builders import Rig, make_worker
from support.queue_invariants import check_invariants


@pytest.fixture
def rig() -> Rig:
    made = Rig()
    made.join()
    made.submit(tasks=4)
    return made


def make_run(lease: HeldLease, start: int, stop: int, **counters: float) -> DoneSpan:
    values = pack_batch([b"v"] * (stop - start))
    return DoneSpan(lease.id, lease.job, start, stop, values, 0.1, 0.1, counters)


def log(rig: Rig, *texts: str, job: str = "job", number: int | None = None) -> None:
    rig.reports["w"] = rig.reports.get("w", 0) + 1
    lines = tuple(LogLine(1.0, "info", "w", 0, text) for text in texts)
    logs = (JobLines(job, lines),)
    report = Report("w", number or rig.reports["w"], (), (), (), (), logs)
    rig.queue.outcomes.report(report, rig.now)


def lease_all(rig: Rig, worker: str = "w") -> list[HeldLease]:
    return rig.lease(worker, slots=4)


def test_counters_grow_with_accepted_runs_and_only_once(rig: Rig) -> None:
    (lease,) = lease_all(rig)
    run = make_run(lease, 0, 3, found=2, seen=3)
    assert rig.report("w", done=(run,)) == Receipt(3, 0)
    assert rig.report("w", done=(run,)) == Receipt(0, 3), "its answer was lost"
    rig.fail(lease, 3)
    assert rig.status().counters == {"found": 2, "seen": 3}
    counted = [event for event in rig.queue.state.drain_events() if isinstance(event, Counted)]
    assert counted == [Counted("primes", "count", {"found": 2, "seen": 3})]


def test_a_run_that_counts_is_accepted_whole_or_not_at_all(rig: Rig) -> None:
    (late,) = lease_all(rig)
    rig.seconds = 100.0
    rig.queue.tick(rig.now)  # the worker fell silent
    rig.join("v")
    first, *others = lease_all(rig, "v")
    assert (first.start, first.stop) == (0, 1)
    rig.report("v", done=(make_run(first, 0, 1, found=1),))
    rig.join()
    assert rig.report("w", done=(make_run(late, 0, 4, found=4),)) == Receipt(0, 4)
    check_invariants(rig.queue.state)
    assert rig.status().counters == {"found": 1}
    while others or (others := lease_all(rig, "v")):
        lease = others.pop()
        counts = make_run(lease, lease.start, lease.stop, found=lease.stop - lease.start)
        rig.report("v", done=(counts,))
    assert (rig.status().state, rig.status().counters) == (SUCCEEDED, {"found": 4})


def test_what_a_worker_reported_in_vain_is_taken_back_from_it(rig: Rig) -> None:
    (lease,) = lease_all(rig)
    rig.finish(lease, 0, 2)
    assert rig.report("w", done=(make_run(lease, 1, 4, found=3),)) == Receipt(0, 3)
    assert rig.beat(leases=())
    again = lease_all(rig)
    tasks = [index for one in again for index in range(one.start, one.stop)]
    assert tasks == [2, 3]
    assert {one.attempt for one in again} == {1}


def test_a_job_counts_under_so_many_names_and_its_log_says_so_once(rig: Rig) -> None:
    (lease,) = lease_all(rig)
    names = {f"name {number}": 1.0 for number in range(MAX_COUNTERS + 5)}
    rig.report("w", done=(make_run(lease, 0, 1, **names),))
    rig.report("w", done=(make_run(lease, 1, 2, **names, more=1.0),))
    counters = rig.status().counters
    assert len(counters) == MAX_COUNTERS
    assert counters["name 0"] == 2
    events = rig.queue.state.drain_events()
    assert len([one for one in events if isinstance(one, CountersRefused)]) == 1
    assert all(len(one.growth) == MAX_COUNTERS for one in events if isinstance(one, Counted))


def test_prometheus_is_told_so_many_names_in_all(caplog: pytest.LogCaptureFixture) -> None:
    known = CoordinatorMetrics()
    with caplog.at_level(logging.WARNING):
        for number in range(MAX_SERIES + 3):
            known.note_events([Counted("calls", "map", {f"name {number}": 1.0})])
        known.note_events([Counted("calls", "map", {"name 0": 2.5})])
    (family,) = [one for one in known.registry.collect() if one.name == "headrace_user_counts"]
    values = {one.labels["name"]: one.value for one in family.samples}
    assert len(values) == MAX_SERIES
    assert values["name 0"] == 3.5
    (record,) = caplog.records
    assert f"more than {MAX_SERIES} names" in record.message


def test_a_report_that_comes_again_logs_nothing_twice(rig: Rig) -> None:
    log(rig, "a", "b", number=1)
    log(rig, "a", "b", number=1)
    log(rig, "of no job", job="gone", number=2)
    log(rig, number=3)
    logged = [one for one in rig.queue.state.drain_events() if isinstance(one, LinesLogged)]
    assert [(one.job, one.part, len(one.lines)) for one in logged] == [("job", LogPart("w", 1), 2)]


def test_the_oldest_lines_give_way_to_new_ones(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_log, "KEPT_LINES", 5)
    for _ in range(4):
        log(rig, "a", "b")
    kept = rig.queue.state.find("job").log
    assert (kept.lines, kept.dropped) == (6, 2), "as many as are promised, whatever a report brings"
    monkeypatch.setattr(job_log, "KEPT_BYTES", 1000)
    log(rig, "x" * 900)
    assert (kept.lines, kept.dropped) == (3, 6)
    log(rig, "y" * 900)
    assert (kept.lines, kept.dropped) == (2, 8)
    log(rig, *"abcdefgh")
    assert (kept.lines, kept.dropped) == (5, 13), "of one report, too, the newest are kept"
    log(rig, "x" * 2000)
    assert (kept.lines, kept.dropped) == (5, 14)
    logged = [one for one in rig.queue.state.drain_events() if isinstance(one, LinesLogged)]
    assert [part.report for one in logged for part in one.trimmed] == [1, 2, 3, 4, 5, 6]
    assert [line.text for line in logged[6].lines] == [*"defgh"]


def test_progress_is_that_of_tasks_which_are_held_by_who_says_so(rig: Rig) -> None:
    (lease,) = lease_all(rig)
    told = tuple(
        TaskProgress(job, index, "w", 1.0, None)
        for job, index in [("job", 3), ("job", 0), ("job", 99), ("other", 1)]
    )
    beat = Heartbeat("w", 1, (lease.id,), 0, 0, False, 0.0, progress=told)
    rig.queue.leasing.heartbeat(beat, rig.now)
    assert [one.index for one in rig.queue.leasing.progress("job")] == [0, 3]
    rig.finish(lease, 0, 1)
    assert [one.index for one in rig.queue.leasing.progress("job")] == [3]
    rig.fail(lease, 3)
    assert rig.queue.leasing.progress("job") == []
    with pytest.raises(UnknownJobError):
        rig.queue.leasing.progress("other")


def tell(rig: Rig, worker: str, progress: int, running: int) -> tuple[int, int]:
    """Have a worker tell of so many tasks. Returns of how many it is kept."""
    told = tuple(TaskProgress("job", index, worker, 1.0, None) for index in range(progress))
    runs = tuple(RunningTask("job", index, 1, "", 1, 1.0, 1) for index in range(running))
    beat = Heartbeat(worker, 0, (), 0, 0, False, 0.0, progress=told, running=runs)
    key = rig.queue.state.members[worker].key
    rig.queue.leasing.heartbeat(beat, rig.now, key)
    member = rig.queue.state.members[worker]
    return len(member.progress), len(member.running)


def test_of_what_workers_tell_of_their_tasks_there_is_room_for_each_key(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "MAX_REPORTED_TASKS", 100)
    for worker, key in (("a", "lab"), ("b", "lab"), ("c", "other"), ("d", "")):
        rig.queue.leasing.register(make_worker(worker), (), rig.now, key)
    assert tell(rig, "a", 30, 20) == (30, 20)
    assert tell(rig, "b", 30, 20) == (5, 20), "three quarters are for one key"
    assert tell(rig, "c", 10, 10) == (10, 10), "so that there is room for another"
    assert tell(rig, "d", 10, 10) == (0, 5), "of what is left"
    assert tell(rig, "a", 0, 1) == (0, 1)
    assert tell(rig, "b", 30, 20) == (30, 20)
    rig.queue.leasing.leave("b", rig.now, "lab")
    assert rig.queue.state.reported_tasks_by_key == {"lab": 1, "other": 20, "": 5}
    assert tell(rig, "d", 50, 20) == (50, 20)


def test_reports_without_lines_are_not_remembered(rig: Rig) -> None:
    lease_all(rig)
    rig.queue.state.drain_events()
    for _ in range(3):
        rig.report("w", logs=(JobLines("job", ()),))
    assert rig.queue.state.drain_events() == []
    assert not rig.queue.state.jobs["job"].log._parts


def test_lines_that_were_stored_before_attempts_were_told_are_still_read() -> None:
    stored = pack([[1.5, "info", "w", 7, "text"]])
    assert decode_trusted(tuple[LogLine, ...], stored) == (LogLine(1.5, "info", "w", 7, "text", 0),)
